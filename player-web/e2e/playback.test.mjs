// Plays, seeks, switches, ends, plays again.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { shoot, start } from './support/browser.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';
import { DURATION_S } from './support/streams.mjs';

const HLS = '/stream/hls.m3u8';
const DASH = '/stream/dash.mpd';

describe('<headgate-video>', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start();
  });
  after(() => site?.close());
  beforeEach(async () => {
    page = await site.open('/element.html');
  });
  afterEach(async () => {
    site.server.faults = [];
    site.server.bytesPerSecond = undefined;
    site.server.cacheControl = 'no-store';
    unharmed(page);
    await page.close();
  });

  for (const src of [HLS, DASH]) {
    test(`plays ${src}`, async () => {
      await mount(page, { src, autoplay: '' });
      await plays(page);
      await shoot(page, src === HLS ? 'hls' : 'dash');
      const { duration, seen } = await state(page);
      assert.ok(Math.abs(duration - DURATION_S) < 0.2, `duration ${duration}`);
      const loaded = seen.find(({ type }) => type === 'headgate-loaded').detail;
      assert.equal(loaded.protocol, src === HLS ? 'hls' : 'dash');
      assert.deepEqual(loaded.renditions.map(({ height }) => height), [144, 270, 360]);
      assert.deepEqual(loaded.warnings, []);
    });
  }

  test('seeks into what is buffered and into what is not', async () => {
    // A third of a second of media a second: the end is far from being loaded.
    site.server.bytesPerSecond = 60_000;
    await mount(page, { src: HLS, autoplay: '', config: { abr: { initialThroughputKbps: null } } });
    await plays(page);
    const { buffered } = await state(page);
    assert.ok(buffered[0][1] < 12, `all is buffered: ${buffered}`);
    await page.evaluate(() => { video.currentTime = 12.5; });
    await until(page, () => !video.seeking && video.currentTime >= 12.5);
    site.server.bytesPerSecond = undefined;
    await plays(page);
    await page.evaluate(() => { video.currentTime = 12.6; });
    await until(page, () => !video.seeking);
    await plays(page);
    assert.ok((await state(page)).currentTime < 16);
  });

  test('ends, and plays again', async () => {
    await mount(page, { src: DASH, autoplay: '' });
    await plays(page);
    await page.evaluate((to) => { video.currentTime = to; }, DURATION_S - 1.5);
    await until(page, () => video.ended && video.seen.some(({ type }) => type === 'ended'));
    assert.equal((await state(page)).state, 'ended');
    await page.evaluate(() => video.play());
    await until(page, () => video.currentTime < 3 && !video.seeking);
    await plays(page);
    assert.equal((await state(page)).ended, false);
  });

  test('ends also after the beginning was removed from a source that had ended', async () => {
    await mount(page, { src: HLS, autoplay: '', config: { buffer: { backS: 2 } } });
    await plays(page);
    await page.evaluate(() => { video.playbackRate = 3; });
    await until(page, () => video.buffered.start(0) > 0);
    await until(page, () => video.ended);
    await page.evaluate(() => video.play());
    await until(page, () => video.currentTime < 5 && !video.seeking);
    await plays(page);
  });

  test('loops', async () => {
    await mount(page, { src: HLS, autoplay: '', loop: '' });
    await plays(page);
    await page.evaluate((to) => { video.currentTime = to; }, DURATION_S - 1.5);
    await until(page, (end) => video.currentTime > end, DURATION_S - 1);
    await until(page, () => video.currentTime < 5 && !video.seeking);
    await plays(page);
    assert.ok(!(await state(page)).seen.some(({ type }) => type === 'ended'));
  });

  test('changes its source in the middle', async () => {
    await mount(page, { src: HLS, autoplay: '' });
    await plays(page);
    await page.evaluate(() => { video.currentTime = 8; });
    await until(page, () => !video.seeking && video.currentTime > 8);
    await page.evaluate((src) => { video.src = src; }, DASH);
    await until(page, () => video.api.protocol === 'dash' && video.currentTime < 5);
    await plays(page);
    assert.match(await page.evaluate(() => video.currentSrc), /dash\.mpd$/);
  });

  test('play() right after a new source counts for it', async () => {
    await mount(page, { src: HLS });
    await until(page, () => video.readyState >= 3);
    assert.equal((await state(page)).paused, true);
    const played = await page.evaluate((src) => {
      video.src = src;
      return video.play().then(() => 'played', String);
    }, DASH);
    assert.equal(played, 'played');
    await plays(page);
  });

  test('plays the rendition that is chosen', async () => {
    await mount(page, { src: HLS, autoplay: '', config: { buffer: { goalS: 4 } } });
    await plays(page);
    assert.equal(await page.evaluate(() => video.videoRenditions.length), 3);
    await page.evaluate(() => { video.videoRenditions.selectedIndex = 0; });
    await until(page, () => video.videoWidth === 256);
    await page.evaluate(() => { video.videoRenditions.selectedIndex = 2; });
    await until(page, () => video.videoWidth === 640);
    await until(page, () => video.api.rendition?.id === '360p');
    await page.evaluate(() => { video.videoRenditions.selectedIndex = -1; });
    assert.equal(await page.evaluate(() => video.api.selectedRendition), null);
  });

  test('steps down when the network gets slow, and up again', async () => {
    await mount(page, { src: HLS, autoplay: '', loop: '', config: { buffer: { goalS: 4, backS: 4 } } });
    await until(page, () => video.videoWidth === 640);
    site.server.bytesPerSecond = 50_000;
    await until(page, () => video.videoWidth < 640, undefined, 40_000);
    site.server.bytesPerSecond = 600_000;
    await until(page, () => video.videoWidth === 640, undefined, 40_000);
    await plays(page);
  });

  test("knows what came from the browser's cache", async () => {
    site.server.cacheControl = 'max-age=600';
    const cached = async () => {
      // The same rendition both times, to its end: nothing is fetched that had not been.
      await mount(page, { src: HLS, autoplay: '', config: { abr: { maxHeight: 1 } } });
      await until(page, () => video.ended, undefined, 30_000);
      const log = (await page.evaluate(() => video.api.exportLog())).split('\n').filter(Boolean).map((line) => JSON.parse(line));
      await page.evaluate(() => video.remove());
      return log.map((line) => line.in?.[1].complete?.cached).filter((known) => known !== undefined);
    };
    assert.ok((await cached()).every((known) => !known));
    assert.ok((await cached()).every((known) => known));
  });

  test('waits with preload="none" until it shall play', async () => {
    const before = site.server.requests.length;
    await mount(page, { src: HLS, preload: 'none' });
    await page.waitForTimeout(300);
    assert.ok(!site.server.requests.slice(before).some(({ path }) => path === HLS));
    await page.evaluate(() => void video.play());
    await plays(page);
  });

  test('starts where it is told to', async () => {
    await mount(page, { src: DASH, autoplay: '', 'start-time': '9' });
    await plays(page);
    const { currentTime } = await state(page);
    assert.ok(currentTime > 9, `at ${currentTime}`);
  });

  test('lets go when it is removed, and starts over when it comes back', async () => {
    site.server.bytesPerSecond = 60_000;
    await mount(page, { src: HLS, autoplay: '', config: { abr: { initialThroughputKbps: null } } });
    await plays(page);
    await page.evaluate(() => video.remove());
    await page.waitForTimeout(500);
    const before = site.server.requests.length;
    await page.waitForTimeout(1000);
    assert.equal(site.server.requests.length, before, 'it goes on fetching');
    site.server.bytesPerSecond = undefined;
    await page.evaluate(() => document.body.append(video));
    await plays(page);
  });

  test('stays when it is moved', async () => {
    await mount(page, { src: HLS, autoplay: '' });
    await plays(page);
    await page.evaluate(() => {
      const box = document.createElement('div');
      document.body.prepend(box);
      video.seen.length = 0;
      box.append(video);
    });
    await page.waitForTimeout(300);
    assert.ok(!(await state(page)).seen.some(({ type }) => type === 'emptied'));
    await page.evaluate(() => video.play());
    await plays(page);
  });
});
