// What keeps renditions from being chosen, what is remembered of the network, what a stream says of its segments.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { mount, plays, unharmed, until } from './support/page.mjs';

const HLS = '/stream/hls.m3u8';
const SHORT = { buffer: { goalS: 4, backS: 4 } };

describe('limits and memory', { timeout: 120_000 }, () => {
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
    unharmed(page);
    await page.close();
  });

  const log = async () => {
    const text = await page.evaluate(() => video.api.exportLog());
    return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  };

  test('limits of the application count in mid-play, and it climbs again', async () => {
    await mount(page, { src: HLS, autoplay: '', loop: '', config: SHORT });
    await until(page, () => video.videoWidth === 640);
    assert.equal(await page.evaluate(() => video.api.limit), null);
    await page.evaluate(() => video.api.setLimits({ maxHeight: 200 }));
    await until(page, () => video.videoWidth === 256);
    assert.deepEqual(await page.evaluate(() => video.api.limit), { highest: '144p', by: ['application'] });
    await page.evaluate(() => video.api.setLimits({}));
    await until(page, () => video.videoWidth === 640);
    assert.deepEqual(await page.evaluate(() => video.api.limit), { highest: '360p', by: [] });
  });

  test('a viewer who saves data gets little of it', async () => {
    await page.evaluate(() => {
      const connection = Object.assign(new EventTarget(), { saveData: true });
      Object.defineProperty(navigator, 'connection', { value: connection, configurable: true });
    });
    // The ladder ends below the limits, so only the message tells.
    await mount(page, { src: HLS, autoplay: '' });
    await plays(page);
    const told = async () => (await log()).map((line) => line.in?.[1].host?.save_data).filter((told) => told !== undefined);
    assert.equal((await told()).at(-1), true);
    await page.evaluate(() => {
      navigator.connection.saveData = false;
      navigator.connection.dispatchEvent(new Event('change'));
    });
    assert.equal((await told()).at(-1), false);
  });

  test('the next player begins with what this one learnt, unless it is not to be kept', async () => {
    const config = { abr: { initialThroughputKbps: null, algorithm: 'throughput' } };
    const first = async (config) => {
      await mount(page, { src: HLS, autoplay: '', config });
      await plays(page);
      await until(page, () => video.buffered.end(0) > 6);
      const lines = await log();
      await page.evaluate(() => video.remove());
      const loaded = lines.find((line) => line.in?.[1].load).in[1].load;
      return [loaded.network_memory, lines.find((line) => line.out?.fetch?.kind === 'segment').out.fetch.url];
    };
    await page.evaluate(() => localStorage.clear());
    const [unknown, low] = await first(config);
    assert.equal(unknown, undefined);
    await until(page, () => localStorage.getItem('headgate.network'));
    const kept = JSON.parse(await page.evaluate(() => localStorage.getItem('headgate.network')));
    assert.deepEqual(Object.keys(kept), ['kbps', 'spread', 'time']);
    assert.ok(kept.kbps > 1000 && Math.abs(kept.time - Date.now()) < 60_000, JSON.stringify(kept));
    const [known, high] = await first(config);
    assert.deepEqual(known, { kbps: kept.kbps, spread: kept.spread, unix_ms: kept.time });
    assert.notEqual(high.match(/stream\d/)[0], low.match(/stream\d/)[0]);
    const [none] = await first({ ...config, storage: 'none' });
    assert.equal(none, undefined);
  });

  test("a stream's table of segment sizes is read, and one that is missing costs a warning", async () => {
    let table = { status: 404, body: 'none' };
    await page.route('**/sizes.json', (route) => route.fulfill(table));
    await page.route(`**${HLS}`, async (route) => {
      const response = await route.fetch();
      const reference = '#EXT-X-SESSION-DATA:DATA-ID="dev.headgate.segments",URI="sizes.json"\n';
      await route.fulfill({ response, body: `${await response.text()}\n${reference}` });
    });
    const play = async () => {
      await mount(page, { src: HLS, autoplay: '' });
      await plays(page);
      await until(page, () => video.buffered.end(0) > 6);
      const warnings = await page.evaluate(() => video.seen.filter(({ type }) => type === 'headgate-warning'));
      const asked = (await log()).filter((line) => line.out?.fetch?.kind === 'segment_table');
      await page.evaluate(() => video.remove());
      return [asked.length, warnings.map(({ detail }) => detail.message)];
    };
    const [asked, [warning]] = await play();
    assert.ok(asked === 1 && /segment table .*sizes\.json: the server answered 404/.test(warning), warning);
    const bytes = Array.from({ length: 8 }, () => null);
    table = { contentType: 'application/json', body: JSON.stringify({ version: 1, renditions: [{ hls: 'media_0.m3u8', bytes }] }) };
    assert.deepEqual(await play(), [1, []]);
  });
});
