// What is made into fMP4 before a source buffer takes it.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { shoot, start } from './support/browser.mjs';
import { KEY_HEX, makeAgain, makeEncrypted, makeEncryptedFmp4, makePacked, makeTs, TS_S } from './support/containers.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

describe('containers', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start((folder) => {
      makeTs(folder);
      makeEncrypted(folder);
      makeEncryptedFmp4(folder);
      makePacked(folder);
      makeAgain(folder);
    });
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

  /** Buffered from the beginning without a hole. */
  async function whole(end) {
    await until(page, (end) => video.buffered.length === 1 && video.buffered.end(0) > end, end);
    const { buffered } = await state(page);
    assert.ok(buffered[0][0] < 0.1, `begins at ${buffered[0][0]}`);
  }

  async function warnings() {
    return (await state(page)).seen.filter(({ type }) => type === 'headgate-warning').map(({ detail }) => detail.message);
  }

  test('a transport stream, from its media playlist', async () => {
    await mount(page, { src: '/stream/ts/list.m3u8', autoplay: '' });
    await plays(page);
    await shoot(page, 'ts');
    const { duration, width } = await state(page);
    assert.ok(Math.abs(duration - TS_S) < 0.3, `duration ${duration}`);
    assert.equal(width, 320);
    await whole(10);
    const decoded = await page.evaluate(() => video.nativeEl.webkitAudioDecodedByteCount);
    assert.ok(decoded > 0, 'it is silent');
    await page.evaluate(() => { video.currentTime = 31.5; });
    await until(page, () => !video.seeking && video.currentTime >= 31.5);
    await plays(page);
    assert.deepEqual(await warnings(), []);
  });

  test('a transport stream with a multivariant playlist, to its end', async () => {
    await mount(page, { src: '/stream/ts/master.m3u8', autoplay: '', 'start-time': `${TS_S - 3}` });
    await plays(page);
    await until(page, () => video.ended);
    const { currentTime } = await state(page);
    assert.ok(Math.abs(currentTime - TS_S) < 0.3, `ended at ${currentTime}`);
    assert.deepEqual(await warnings(), []);
  });

  test('an encrypted transport stream; its key is told to nobody', async () => {
    await mount(page, { src: '/stream/aes/list.m3u8', autoplay: '' });
    await plays(page);
    await whole(10);
    assert.deepEqual(await warnings(), []);
    const log = await page.evaluate(() => video.api.exportLog());
    assert.ok(log.includes('aes128'), 'the log says that it is encrypted');
    const numbers = [...Buffer.from(KEY_HEX, 'hex')].join(',');
    assert.ok(!log.includes(KEY_HEX) && !log.includes(numbers) && !log.includes('\\u0000\\u0001\\u0002\\u0003'));
  });

  test('an encrypted transport stream where the browser has no AES', async () => {
    await page.evaluate(() => Object.defineProperty(crypto, 'subtle', { value: undefined }));
    await mount(page, { src: '/stream/aes/list.m3u8', autoplay: '' });
    await plays(page);
    assert.deepEqual(await warnings(), []);
  });

  test('encrypted fMP4, without a transmuxer where the browser has AES', async () => {
    const before = site.server.requests.length;
    await mount(page, { src: '/stream/locked/list.m3u8', autoplay: '' });
    await plays(page);
    await whole(11);
    assert.deepEqual(await warnings(), []);
    assert.ok(!site.server.requests.slice(before).some(({ path }) => path.endsWith('transmux.wasm')));
    await page.evaluate(() => {
      Object.defineProperty(crypto, 'subtle', { value: undefined });
      video.load();
    });
    await until(page, () => video.currentTime < 1);
    await plays(page);
    assert.ok(site.server.requests.slice(before).some(({ path }) => path.endsWith('transmux.wasm')));
  });

  test('a key that is wrong', async () => {
    site.server.faults = [(path) => (path.endsWith('.key') ? { status: 200, body: 'x'.repeat(16) } : undefined)];
    await mount(page, { src: '/stream/aes/list.m3u8', autoplay: '' });
    await until(page, () => video.error);
    assert.equal((await state(page)).error.kind, 'segment');
    assert.match((await warnings())[0], /the key or the segment is wrong/);
    assert.ok(!(await page.evaluate(() => video.api.exportLog())).includes('xxxx'), 'the log shows the key');
  });

  test('packed audio beside pictures in a transport stream', async () => {
    await mount(page, { src: '/stream/packed/master.m3u8', autoplay: '' });
    await plays(page);
    await whole(10);
    const decoded = await page.evaluate(() => video.nativeEl.webkitAudioDecodedByteCount);
    assert.ok(decoded > 0, 'it is silent');
    assert.deepEqual(await warnings(), []);
  });

  test('timestamps that start over at a discontinuity', async () => {
    await mount(page, { src: '/stream/again.m3u8', autoplay: '' });
    await plays(page);
    // Sound ends a little before the pictures, for the rest of it is in a segment that is not listed.
    await until(page, () => video.buffered.length > 0 && video.buffered.end(video.buffered.length - 1) > 11);
    const { buffered } = await state(page);
    for (let i = 1; i < buffered.length; i++) assert.ok(buffered[i][0] - buffered[i - 1][1] < 0.1, JSON.stringify(buffered));
    await page.evaluate(() => { video.currentTime = 5; });
    await until(page, () => video.currentTime > 7 && video.currentTime < 9);
    assert.deepEqual(await warnings(), []);
  });

  test('a transmuxer that is not there', async () => {
    await mount(page, { src: '/stream/ts/list.m3u8', autoplay: '', 'transmux-wasm-url': '/no/transmux.wasm' });
    await until(page, () => video.error);
    assert.match((await state(page)).error.message, /is not at http.*\/no\/transmux\.wasm \(status 404\)|transmux\.wasm/);
  });
});
