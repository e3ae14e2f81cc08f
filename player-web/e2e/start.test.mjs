// What is loaded when a player starts, and in which order.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const HLS = '/stream/hls.m3u8';
/** The engine comes so much later. */
const LATE_MS = 700;

describe('start', { timeout: 300_000 }, () => {
  let site;
  let page;
  let asked;
  before(async () => {
    site = await start();
  });
  after(() => site?.close());
  afterEach(async () => {
    site.server.bytesPerSecond = undefined;
    unharmed(page);
    await page.close();
  });

  /** A page whose engine is late; `asked` is what it asks for manifests. */
  async function late() {
    page = await site.open('/element.html');
    await page.route('**/player.wasm', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, LATE_MS));
      await route.continue().catch(() => undefined);
    });
    asked = [];
    page.on('request', (request) => {
      const { pathname, search } = new URL(request.url());
      if (pathname === HLS) asked.push({ search, headers: request.headers(), request });
    });
  }

  /** When a resource was asked for, and when it had come, milliseconds. */
  function times(name) {
    return page.evaluate((name) => {
      const { startTime, responseEnd } = performance.getEntriesByType('resource').find((entry) => entry.name.includes(name));
      return { startTime, responseEnd };
    }, name);
  }

  test('the manifest does not wait for the engine, and is asked for once', async () => {
    await late();
    await mount(page, { src: HLS, autoplay: '' });
    await plays(page);
    assert.equal(asked.length, 1);
    assert.ok((await times(HLS)).responseEnd < (await times('player.wasm')).responseEnd - LATE_MS / 2);
    // The second time the engine is there.
    await page.evaluate((src) => (video.src = `${src}?again`), HLS);
    await until(page, () => video.api.state === 'starting');
    await plays(page);
    assert.deepEqual(asked.map(({ search }) => search), ['', '?again']);
  });

  test('the application may change it, and is asked once', async () => {
    await late();
    await page.evaluate(() => {
      globalThis.kinds = [];
      globalThis.request = ({ kind, url }) => {
        kinds.push(kind);
        return { url: `${url}?token=7`, headers: { 'X-Token': 'eight' } };
      };
    });
    await page.evaluate((src) => {
      globalThis.video = document.createElement('headgate-video');
      Object.assign(video, { config: { request }, muted: true, autoplay: true, seen: [] });
      document.body.append(video);
      video.src = src;
    }, HLS);
    await plays(page);
    assert.deepEqual(asked.map(({ search, headers }) => [search, headers['x-token']]), [['?token=7', 'eight']]);
    assert.equal((await page.evaluate(() => kinds)).filter((kind) => kind === 'manifest').length, 1);
  });

  test('what the application refuses is tried again, and then an error', async () => {
    await late();
    await page.evaluate((src) => {
      globalThis.video = document.createElement('headgate-video');
      globalThis.times = 0;
      const request = () => {
        times++;
        throw new Error('no token');
      };
      Object.assign(video, { config: { request, retry: { attempts: 2, backoffMs: 10 } }, muted: true, seen: [] });
      document.body.append(video);
      video.src = src;
    }, HLS);
    await until(page, () => video.error);
    const { error } = await state(page);
    assert.match(error.message, /the application's `request`: no token/);
    assert.equal(await page.evaluate(() => times), 2);
    assert.equal(asked.length, 0);
  });

  test('servers that are told of playback get one request, the engine’s own', async () => {
    await late();
    await mount(page, { src: HLS, autoplay: '', config: { cmcd: { mode: 'query' } } });
    await plays(page);
    assert.equal(asked.length, 1);
    assert.match(asked[0].search, /CMCD=/);
  });

  test('pictures are there before their segment is', async () => {
    for (const src of [HLS, '/stream/dash.mpd']) {
      page = await site.open('/element.html');
      // Two seconds of the highest rung need one.
      site.server.bytesPerSecond = 200_000;
      await mount(page, { src, autoplay: '', config: { abr: { initialThroughputKbps: 100_000 } } });
      await page.evaluate(() => video.requestVideoFrameCallback(() => (globalThis.firstMs = performance.now())));
      await until(page, () => globalThis.firstMs);
      const firstMs = await page.evaluate(() => firstMs);
      await plays(page);
      const { responseEnd } = await times('chunk-stream0-00001');
      assert.ok(firstMs < responseEnd - 100, `${src}: first picture ${firstMs}, segment ${responseEnd}`);
      await until(page, () => video.currentTime > 4);
      assert.ok(!(await state(page)).seen.some(({ type }) => type === 'waiting' || type.endsWith('warning')));
      if (src === HLS) await page.close();
    }
  });

  test('what is unloaded before the engine is there is not read', async () => {
    await late();
    await page.route(`**${HLS}`, () => undefined);
    await mount(page, { src: HLS });
    await page.waitForTimeout(LATE_MS / 4);
    assert.equal(asked.length, 1);
    await page.evaluate(() => video.api.unload());
    await page.waitForTimeout(LATE_MS / 4);
    assert.match(asked[0].request.failure().errorText, /ERR_ABORTED/);
  });
});
