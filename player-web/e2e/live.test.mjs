// Streams that are still being made.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { livePlaylist, makeTs, SEGMENT_S } from './support/containers.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const LIVE = '/stream/live.m3u8';
const TYPE = 'application/vnd.apple.mpegurl';

describe('live', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start(makeTs);
  });
  after(() => site?.close());
  beforeEach(async () => {
    page = await site.open('/element.html');
  });
  afterEach(async () => {
    site.server.faults = [];
    unharmed(page);
    await page.close();
  });

  /** A playlist that grows from now on. */
  function serve(options) {
    const playlist = livePlaylist(options);
    const begin = performance.now();
    site.server.faults = [(path) => (path === LIVE ? { status: 200, type: TYPE, body: playlist(performance.now() - begin) } : undefined)];
  }

  test('plays near the edge, and the window slides', async () => {
    serve({ first: 8, windowSize: 8 });
    await mount(page, { src: LIVE, autoplay: '' });
    await plays(page);
    const first = await page.evaluate(() => {
      const { live } = video.api;
      const native = video.nativeEl.seekable;
      return {
        live,
        native: [native.start(0), native.end(0)],
        seekable: [video.seekable.start(0), video.seekable.end(0)],
        duration: video.duration,
        streamType: video.streamType,
        targetLiveWindow: video.targetLiveWindow,
        liveEdgeStart: video.liveEdgeStart,
        currentTime: video.currentTime,
      };
    });
    assert.equal(first.duration, Infinity);
    assert.equal(first.streamType, 'live');
    assert.equal(first.targetLiveWindow, 0);
    assert.ok(first.live.edge < first.live.end && first.live.start < first.live.edge, JSON.stringify(first));
    assert.deepEqual(first.seekable, [first.live.start, first.live.edge]);
    assert.ok(Math.abs(first.native[1] - first.live.end) < 0.01, JSON.stringify(first));
    assert.ok(first.currentTime >= first.liveEdgeStart && first.currentTime <= first.live.end, JSON.stringify(first));
    await until(page, ({ start, end }) => video.api.live.start >= start + 4 && video.api.live.end >= end + 4, first.live, 30_000);
    await until(page, (time) => video.currentTime > time + 6, first.currentTime, 30_000);
    const { seen } = await state(page);
    assert.deepEqual(seen.filter(({ type }) => type === 'headgate-warning').map(({ detail }) => detail.message), []);
  });

  test('goes back in the window, and to the edge again', async () => {
    serve({ first: 10, windowSize: 20 });
    await mount(page, { src: LIVE, autoplay: '' });
    await plays(page);
    await page.evaluate(() => { video.currentTime = video.api.live.start + 1; });
    await until(page, () => !video.seeking && video.currentTime < video.liveEdgeStart);
    await plays(page);
    await page.evaluate(() => video.api.seekToLive());
    await until(page, () => !video.seeking && video.currentTime >= video.liveEdgeStart);
    await plays(page);
  });

  test('a pause past the window goes on in it', async () => {
    serve({ first: 6, windowSize: 4 });
    await mount(page, { src: LIVE, autoplay: '', config: { buffer: { goalS: 4 } } });
    await plays(page);
    const { currentTime } = await page.evaluate(() => {
      video.pause();
      return { currentTime: video.currentTime };
    });
    await until(page, (time) => video.api.live.start > time + 8, currentTime, 40_000);
    await page.evaluate(() => video.play());
    await until(page, () => !video.seeking && video.currentTime >= video.api.live.start - 2, undefined, 30_000);
    await plays(page);
  });

  test('ends when the stream does', async () => {
    serve({ first: 5, windowSize: 6, stopAfter: 7 });
    await mount(page, { src: LIVE, autoplay: '' });
    await plays(page);
    await until(page, () => video.ended, undefined, 40_000);
    const { duration, currentTime } = await state(page);
    assert.ok(Number.isFinite(duration) && Math.abs(currentTime - duration) < 0.5, `${currentTime} of ${duration}`);
    assert.ok(Math.abs(duration - 7 * SEGMENT_S) < 0.5, `${duration}`);
  });
});
