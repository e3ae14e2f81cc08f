// How cues look: their colours and places, as pixels.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { shoot, start } from './support/browser.mjs';
import { makeCaptions, makeStyled } from './support/containers.mjs';
import { mount, unharmed, until } from './support/page.mjs';

describe('cues', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start((folder) => {
      makeStyled(folder);
      makeCaptions(folder, [{ at: 1, line: 'WWWWWWWWWW', color: 'yellow' }], 6);
    });
  });
  after(() => site?.close());
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  /** Loads, pauses at a time, and shows the subtitles of a language, or the captions. */
  async function show(src, language) {
    page = await site.open('/element.html');
    await mount(page, { src, autoplay: '' });
    await until(page, () => video.currentTime > 0.5);
    await page.evaluate(() => { video.pause(); video.currentTime = 2; });
    await until(page, () => !video.seeking && [...video.textTracks].some(({ kind }) => kind !== 'metadata'));
    const bare = await page.screenshot();
    await page.evaluate((language) => {
      globalThis.track = [...video.textTracks].find((track) => track.kind !== 'metadata' && (!language || track.language === language));
      track.mode = 'showing';
    }, language);
    await until(page, () => track.activeCues?.length > 0);
    // The next frames have it.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await page.waitForTimeout(300);
    return [bare, await page.screenshot()].map((png) => png.toString('base64'));
  }

  /** Where the pixels are that have turned this colour: percent of the video. */
  function box([before, after], color) {
    return page.evaluate(async ([before, after, color]) => {
      const { left, top, width, height } = video.getBoundingClientRect();
      const pixels = async (png) => {
        const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
        const context = new OffscreenCanvas(width, height).getContext('2d');
        context.drawImage(bitmap, -left, -top);
        return context.getImageData(0, 0, width, height).data;
      };
      const [old, now] = [await pixels(before), await pixels(after)];
      const found = { count: 0, left: 100, top: 100, right: 0, bottom: 0 };
      for (let i = 0; i < now.length; i += 4) {
        const near = (data, tolerance) => color.every((value, channel) => Math.abs(data[i + channel] - value) <= tolerance);
        if (!near(now, 12) || near(old, 40)) continue;
        const [x, y] = [((i / 4) % width) / width * 100, Math.floor(i / 4 / width) / height * 100];
        found.count++;
        found.left = Math.min(found.left, x);
        found.right = Math.max(found.right, x);
        found.top = Math.min(found.top, y);
        found.bottom = Math.max(found.bottom, y);
      }
      return found;
    }, [before, after, color]);
  }

  const near = (value, expected, what, tolerance = 4) =>
    assert.ok(Math.abs(value - expected) <= tolerance, `${what} is at ${value} %, not ${expected} %`);

  test('WebVTT: colours, backgrounds, positions, a region', async () => {
    const shots = await show('/stream/styled.mpd', 'en');
    await shoot(page, 'cues-webvtt');
    const yellow = await box(shots, [255, 255, 0]);
    assert.ok(yellow.count > 200, JSON.stringify(yellow));
    near(yellow.left, 10, 'the left edge of the yellow cue');
    near(yellow.top, 10, 'its top');
    const magenta = await box(shots, [255, 0, 255]);
    assert.ok(magenta.count > 200, JSON.stringify(magenta));
    near(magenta.right, 90, 'the right edge of the magenta cue');
    near(magenta.top, 80, 'its top');
    const lime = await box(shots, [0, 255, 0]);
    assert.ok(lime.count > 200, JSON.stringify(lime));
    near(lime.left, 50, 'the left edge of the region');
    near(lime.bottom, 50, 'its last line', 6);
  });

  test('TTML: colours, a region', async () => {
    const shots = await show('/stream/styled.mpd', 'fr');
    await shoot(page, 'cues-ttml');
    const cyan = await box(shots, [0, 255, 255]);
    assert.ok(cyan.count > 200, JSON.stringify(cyan));
    near(cyan.left, 50, 'the left edge of the cyan text');
    assert.ok(cyan.top >= 9 && cyan.bottom <= 40, JSON.stringify(cyan));
    const red = await box(shots, [255, 0, 0]);
    assert.ok(red.count > 100 && red.left > cyan.right, JSON.stringify(red));
  });

  test('CEA-608: a colour, the last row', async () => {
    const shots = await show('/stream/captions/list.m3u8');
    await shoot(page, 'cues-608');
    const yellow = await box(shots, [255, 255, 0]);
    assert.ok(yellow.count > 100, JSON.stringify(yellow));
    assert.ok(yellow.top > 75, JSON.stringify(yellow));
    assert.match(await page.evaluate(() => track.activeCues[0].text), /<c\.yellow/);
  });

  test('what the page says of cues wins', async () => {
    page = await site.open('/plain.html');
    await page.evaluate(() => {
      globalThis.video = document.querySelector('video');
      document.head.append(Object.assign(document.createElement('style'), { textContent: '::cue(.yellow) { color: rgb(1, 2, 3) }' }));
      player.load('/stream/styled.mpd');
    });
    await until(page, () => video.textTracks.length === 2);
    const sheets = () => page.evaluate(() => [...document.adoptedStyleSheets].map(({ cssRules }) => cssRules[0].cssText.split('{')[0].trim()));
    assert.deepEqual(await sheets(), ['@layer headgate']);
    await page.evaluate(() => player.load('/stream/styled.mpd?again'));
    await until(page, () => player.protocol === 'dash' && video.textTracks.length === 2);
    assert.equal((await sheets()).length, 1, 'once');
    await page.evaluate(() => {
      video.textTracks[0].mode = 'showing';
      video.currentTime = 1;
    });
    await until(page, () => video.textTracks[0].activeCues?.length > 0);
    await page.waitForTimeout(300);
    const shot = (await page.screenshot()).toString('base64');
    assert.ok((await box([await blank(), shot], [1, 2, 3])).count > 200);
  });

  /** A screenshot of nothing, to compare with: white, since the colour is nearly black. */
  function blank() {
    return page.evaluate(async () => {
      const canvas = new OffscreenCanvas(800, 600);
      const context = canvas.getContext('2d');
      context.fillStyle = 'white';
      context.fillRect(0, 0, 800, 600);
      const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    });
  }
});
