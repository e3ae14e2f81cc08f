// What is played next is loaded ahead.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { mount, plays, unharmed, until } from './support/page.mjs';

const FIRST = '/stream/hls.m3u8';
const NEXT = '/stream/next/dash.mpd';

describe('preload', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start((folder) => {
      const files = readdirSync(folder);
      mkdirSync(join(folder, 'next'));
      for (const file of files) copyFileSync(join(folder, file), join(folder, 'next', file));
    });
  });
  after(() => site?.close());
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  /** Paths below the next stream that were asked for since the page was opened. */
  let opened = 0;
  const fetched = () =>
    site.server.requests.slice(opened).flatMap(({ path }) => (path.startsWith('/stream/next/') ? [path.slice('/stream/next/'.length)] : []));

  async function open(path) {
    opened = site.server.requests.length;
    page = await site.open(path);
  }

  /** Manifest, initialization sections and first segments of pictures and sound. */
  async function isPreloaded() {
    const whole = () => {
      const paths = fetched();
      const count = (pattern) => paths.filter((path) => pattern.test(path)).length;
      return count(/\.mpd$/) === 1 && count(/^init/) === 2 && count(/^chunk-stream3-0000[12]/) === 2 && count(/^chunk-stream[012]-0000[12]/) === 2;
    };
    const deadline = Date.now() + 20_000;
    while (!whole()) {
      assert.ok(Date.now() < deadline, `only ${fetched()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return fetched();
  }

  test('`next-src`: once it is the source, nothing of it is fetched twice', async () => {
    await open('/element.html');
    await mount(page, { src: FIRST, 'next-src': NEXT, autoplay: '' });
    await plays(page);
    const before = await isPreloaded();
    await page.evaluate(() => { globalThis.changed = performance.now(); video.src = video.getAttribute('next-src'); });
    await until(page, () => video.api.protocol === 'dash' && !video.paused && video.currentTime < 5);
    await plays(page);
    const all = fetched();
    assert.deepEqual(all.filter((path, i) => all.indexOf(path) !== i), []);
    const loads = await page.evaluate(() => video.seen.filter(({ type }) => type === 'headgate-loaded').map(({ detail }) => detail.protocol));
    assert.deepEqual(loads, ['hls', 'dash']);
    assert.ok(before.length >= 7);
    await page.evaluate(() => video.setAttribute('next-src', 'hls.m3u8'));
    await page.evaluate(() => video.removeAttribute('next-src'));
    await plays(page);
  });

  test('`preload()` of what is played first, before there is an element for it', async () => {
    await open('/plain.html');
    await page.evaluate((url) => {
      player.detach();
      globalThis.video = document.querySelector('video');
      player.preload(url);
    }, NEXT);
    await isPreloaded();
    await page.evaluate((url) => {
      player.attach(video);
      player.load(url);
      return video.play();
    }, NEXT);
    await until(page, () => video.currentTime > 1);
    const all = fetched();
    assert.deepEqual(all.filter((path, i) => all.indexOf(path) !== i), []);
  });

  test('another one takes its place, and `null` drops it', async () => {
    await open('/plain.html');
    await page.evaluate(() => { globalThis.video = document.querySelector('video'); });
    await page.evaluate(([first, next]) => {
      player.load(first);
      player.preload(next);
      player.preload(null);
      return video.play();
    }, [FIRST, NEXT]);
    await until(page, () => video.currentTime > 1);
    assert.deepEqual(fetched(), []);
    await page.evaluate((next) => player.preload(next), NEXT);
    await isPreloaded();
    await page.evaluate(() => player.preload(null));
    const before = fetched().length;
    await page.evaluate((next) => player.load(next), NEXT);
    await until(page, () => player.protocol === 'dash');
    assert.ok(fetched().length > before);
  });
});
