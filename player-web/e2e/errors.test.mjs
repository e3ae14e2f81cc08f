// Bad input: what the application and the viewer are told.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const HLS = '/stream/hls.m3u8';
const PAGE = { status: 200, type: 'text/html', body: '<!doctype html><title>Log in</title><p>Please log in' };
const QUICK = { retry: { attempts: 2, backoffMs: 20 } };

describe('errors', { timeout: 300_000 }, () => {
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
    unharmed(page);
    await page.close();
  });

  async function failure(attributes) {
    await mount(page, { autoplay: '', config: QUICK, ...attributes });
    await until(page, () => video.error);
    const { error, seen, state: playback } = await state(page);
    assert.equal(seen.filter(({ type }) => type === 'error').length, 1);
    if (error.kind !== 'internal') assert.equal(playback, 'failed');
    return error;
  }

  test('a playlist that is a web page', async () => {
    site.server.faults = [(path) => (path === HLS ? PAGE : undefined)];
    const error = await failure({ src: HLS });
    assert.equal(error.kind, 'manifest');
    assert.equal(error.code, 4);
    assert.match(error.message, /HTML/);
    assert.match(error.message, /hls\.m3u8/);
  });

  test('an MPD that is a web page', async () => {
    site.server.faults = [(path) => (path.endsWith('.mpd') ? PAGE : undefined)];
    const error = await failure({ src: '/stream/dash.mpd' });
    assert.equal(error.kind, 'manifest');
    assert.match(error.message, /HTML/);
  });

  test('a manifest that is not there', async () => {
    const error = await failure({ src: '/stream/nothing.m3u8' });
    assert.deepEqual([error.kind, error.code], ['http', 2]);
    assert.match(error.message, /404/);
    assert.match(error.message, /nothing\.m3u8/);
  });

  test('a server that is not there', async () => {
    const error = await failure({ src: 'http://127.0.0.1:9/x.m3u8' });
    assert.deepEqual([error.kind, error.code], ['network', 2]);
  });

  const third = (fault) => [(path) => (/stream[012]-00003/.test(path) ? fault : undefined)];
  for (const [what, fault, words] of [
    ['is not there', { status: 404 }, /404/],
    ['is cut off', { truncate: 5000 }, /cut off/],
    ['is a web page', PAGE, /HTML/],
  ]) {
    test(`a segment that ${what} in all renditions is passed over`, async () => {
      site.server.faults = third(fault);
      await mount(page, { autoplay: '', config: QUICK, src: HLS });
      await until(page, () => video.currentTime > 6.5);
      await plays(page);
      const { error, seen } = await state(page);
      assert.equal(error, null);
      const messages = seen.filter(({ type }) => type === 'headgate-warning').map(({ detail }) => detail.message);
      for (const rendition of [0, 1, 2]) {
        const named = messages.some((message) => message.includes(`chunk-stream${rendition}-00003.m4s`) && words.test(message));
        assert.ok(named, `${rendition}: ${messages.join(', ')}`);
      }
      assert.ok(messages.some((message) => /video from 4\.000 s on .* is passed over/.test(message)), messages.join(', '));
    });
  }

  test('pictures of which nothing is there', async () => {
    site.server.faults = [(path) => (/chunk-stream[012]/.test(path) ? { status: 404 } : undefined)];
    const error = await failure({ src: HLS });
    assert.equal(error.kind, 'http');
    assert.match(error.message, /404/);
    assert.match(error.message, /chunk-stream\d-\d+\.m4s/);
  });

  test('a segment that the decoder fails at', async () => {
    site.server.faults = [(path) => (/stream[012]-00003/.test(path) ? { garble: true } : undefined)];
    await mount(page, { autoplay: '', config: QUICK, src: HLS });
    await until(page, () => video.currentTime > 8, undefined, 60_000);
    await plays(page);
    assert.equal((await state(page)).error, null);
  });

  test('one bad answer is no error', async () => {
    let bad = 2;
    site.server.faults = [(path) => (/stream\d-00002/.test(path) && bad-- > 0 ? { status: 503 } : undefined)];
    await mount(page, { autoplay: '', src: HLS, config: { retry: { backoffMs: 20 } } });
    await until(page, () => video.currentTime > 3);
    assert.equal((await state(page)).error, null);
  });

  test('another source after an error', async () => {
    await failure({ src: '/stream/nothing.m3u8' });
    await page.evaluate((src) => { video.src = src; }, HLS);
    await plays(page);
    assert.equal((await state(page)).error, null);
  });

  test('an engine that is a web page, and one that is not there', async () => {
    const html = await failure({ src: HLS, 'wasm-url': '/element.html' });
    assert.equal(html.kind, 'internal');
    assert.match(html.message, /\/element\.html is not WebAssembly, it begins with "<!doctype html>/);
    await page.evaluate(() => video.remove());
    const missing = await failure({ src: HLS, 'wasm-url': '/no/player.wasm' });
    assert.match(missing.message, /is not at http.*\/no\/player\.wasm \(status 404\)/);
    await page.evaluate(() => video.remove());
    await mount(page, { autoplay: '', src: HLS });
    await plays(page);
  });

  test('a setting that does not exist', async () => {
    const error = await failure({ src: HLS, abr: 'clairvoyant' });
    assert.equal(error.kind, 'internal');
    assert.match(error.message, /clairvoyant/);
  });
});
