// Fast-forward and rewind with single pictures.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { makeScan } from './support/containers.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const SECONDS = 120;

describe('scan', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start((folder) => makeScan(folder, SECONDS));
  });
  after(() => site?.close());
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  /** Where the playhead is, and, by how bright it is, of which second the picture is. */
  function look() {
    return page.evaluate((seconds) => {
      const context = new OffscreenCanvas(8, 8).getContext('2d');
      context.drawImage(video.nativeEl ?? video, 0, 0, 8, 8);
      const [level] = context.getImageData(4, 4, 1, 1).data;
      return { at: video.currentTime, of: (level / 255) * seconds };
    }, SECONDS);
  }

  /** The same at a few moments. */
  async function watch(times) {
    const seen = [];
    for (let i = 0; i < times; i++) {
      await page.waitForTimeout(400);
      seen.push(await look());
    }
    return seen;
  }

  /** The picture is that of the playhead, or, while that is on its way, the one before. */
  function agrees(seen) {
    for (const { at, of } of seen) assert.ok(Math.abs(at - of) < 7, `the picture of ${of} s at ${at} s`);
    assert.ok(seen.some(({ at, of }) => Math.abs(at - of) < 2), JSON.stringify(seen));
  }

  const rates = () => page.evaluate(() => globalThis.rates);

  async function open(src) {
    page = await site.open('/element.html');
    await mount(page, { src, autoplay: '' });
    await plays(page);
    await page.evaluate(() => {
      globalThis.rates = [];
      video.addEventListener('headgate-scanchange', ({ detail }) => globalThis.rates.push(detail.rate));
    });
  }

  for (const [src, pattern] of [['/stream/scan/master.m3u8', /video-\d+\.m4s$/], ['/stream/scan/trick.mpd', /trick-\d+\.m4s$/]]) {
    test(`forward and on from there: ${src}`, async () => {
      await open(src);
      const before = site.server.requests.length;
      await page.evaluate(() => video.api.scan(16));
      await until(page, () => video.currentTime > 25);
      const seen = await watch(6);
      assert.equal((await state(page)).state, 'seeking');
      agrees(seen);
      assert.ok(seen.every(({ at }, i) => i === 0 || at > seen[i - 1].at), JSON.stringify(seen));
      const fetched = site.server.requests.slice(before).map(({ path }) => path);
      assert.ok(fetched.filter((path) => pattern.test(path)).length > 10);
      assert.ok(fetched.filter((path) => /audio-\d+\.m4s$/.test(path)).length <= 4, 'sound is fetched');
      const shown = await page.evaluate(() => {
        const at = video.currentTime;
        video.api.scan(0);
        return at;
      });
      await until(page, () => video.currentTime > 0);
      await plays(page);
      const { currentTime, seen: events } = await state(page);
      assert.ok(currentTime >= shown && currentTime < shown + 4, `${shown} → ${currentTime}`);
      assert.deepEqual(await rates(), [16, 0]);
      assert.deepEqual(events.filter(({ type }) => type === 'headgate-warning'), []);
    });
  }

  test('backward to the beginning, and it plays from there', async () => {
    await open('/stream/scan/master.m3u8');
    await page.evaluate(() => { video.currentTime = 60; });
    await plays(page);
    await page.evaluate(() => video.api.scan(-16));
    const seen = await watch(4);
    agrees(seen);
    assert.ok(seen.every(({ at }, i) => i === 0 || at <= seen[i - 1].at), JSON.stringify(seen));
    await until(page, () => video.api.scanRate === 0);
    await plays(page);
    assert.ok((await state(page)).currentTime < 5);
    assert.deepEqual(await rates(), [-16, 0]);
  });

  test('a seek ends it; without pictures there is a warning', async () => {
    await open('/stream/scan/master.m3u8');
    await page.evaluate(() => video.api.scan(8));
    await until(page, () => video.currentTime > 10);
    await page.evaluate(() => { video.currentTime = 100; });
    await until(page, () => video.api.scanRate === 0);
    await until(page, () => video.currentTime > 100.5 && !video.seeking);
    await plays(page);
    await page.close();

    await open('/stream/hls.m3u8');
    await page.evaluate(() => video.api.scan(8));
    await until(page, () => video.seen.some(({ type, detail }) => type === 'headgate-warning' && detail.message.includes('fast-forward')));
    await plays(page);
  });
});
