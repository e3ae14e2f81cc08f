// Signed URLs, against headgate-origin: tokens are renewed in mid-play, and are nowhere but in requests to their origin.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { makeThumbnails } from './support/containers.mjs';
import { startOrigin } from './support/origin.mjs';
import { mount, state, unharmed, until } from './support/page.mjs';

describe('signed URLs', { timeout: 300_000 }, () => {
  let site;
  let origin;
  let page;
  /** Every request of the page: URL, header fields and body; and what it was answered. */
  let sent;
  let statuses;
  let said;

  before(async () => {
    let folder;
    site = await start((made) => {
      folder = made;
      makeThumbnails(folder);
      writeFileSync(join(folder, 'signing.key'), '0123456789abcdef0123456789abcdef');
    });
    const key = `test:${join(folder, 'signing.key')}`;
    origin = await startOrigin(folder, ['--signing-key', key, '--signing-skew', '0s', '--sign-for-everybody']);
  });
  after(async () => {
    await site?.close();
    await origin?.close();
  });
  beforeEach(async () => {
    page = await site.open('/element.html');
    [sent, statuses, said] = [[], [], []];
    page.on('request', (request) => sent.push({ url: request.url(), rest: JSON.stringify([request.headers(), request.postData()]) }));
    page.on('response', (response) => statuses.push({ url: response.url(), status: response.status() }));
    page.on('console', (message) => said.push(message.text()));
    await mount(page, { autoplay: '', 'site-key': 'k', 'beacon-url': `${site.server.origin}/v1/beacons`, 'video-id': 'signed' });
  });
  afterEach(async () => {
    await origin.fault();
    unharmed(page);
    await page.close();
  });

  /**
   * Plays `path` with tokens that live so long, the first of them in the URL, or with the options if `apart`; `failing` lets each renewal
   * fail.
   */
  async function play(path, { life, config = {}, failing = false, apart = false }) {
    await page.evaluate(
      async ([base, path, life, config, failing, apart]) => {
        video.tokens = [];
        video.wanted = [];
        const sign = async () => {
          const { token, expires_ms: expires } = await (await fetch(`${base}sign?prefix=/&expires_s=${life}`)).json();
          video.tokens.push(token);
          return { token, expires };
        };
        const refresh = (wanted) => {
          video.wanted.push(wanted);
          // As errors of fetch wrappers are: with the URL.
          return failing ? Promise.reject(new Error(`500 for ${base}t/${video.tokens[0]}/`)) : sign();
        };
        const { token, expires } = await sign();
        video.config = { ...config, signing: { ...(apart && { token }), expires, refresh } };
        video.src = `${base}t/${apart ? '-' : token}/${path}`;
      },
      [origin.url, path, life, config, failing, apart],
    );
  }

  /** Tokens leave in the path of requests to their origin, and are in nothing else that leaves, is shown or is kept. */
  async function assertKept() {
    const { tokens, kept } = await page.evaluate(() => ({
      tokens: video.tokens,
      // The page itself has put the first one into `src`.
      kept: [video.api.exportLog(), JSON.stringify(video.seen), `${video.error?.message}`, JSON.stringify(localStorage), document.body.innerHTML.replaceAll(video.src, '')],
    }));
    assert.ok(kept[0].includes('/t/-/'), 'the log has the URLs');
    const parts = { kept: kept.join('\n'), said: said.filter((text) => !text.startsWith('Failed to load resource')).join('\n'), beacons: JSON.stringify(site.server.beacons), origin: origin.log() };
    assert.ok(site.server.beacons.some(({ info }) => info?.source?.includes('/t/-/')), 'beacons have been sent');
    for (const token of tokens) {
      for (const [name, text] of Object.entries(parts)) assert.ok(!text.includes(token), `a token is in ${name}`);
      for (const { url, rest } of sent) {
        assert.ok(!rest.includes(token), `a token is in a header or body of ${url}`);
        if (url.includes(token)) assert.ok(url.startsWith(`${origin.url}t/${token}/`) && url.split(token).length === 2, url);
      }
    }
    return tokens;
  }

  test('the token is renewed while it plays', async () => {
    await play('hls.m3u8', { life: 4, apart: true, config: { buffer: { goalS: 4 }, cmcd: { mode: 'query', version: 2 } } });
    await until(page, () => video.ended, undefined, 60_000);
    const { error, seen } = await state(page);
    assert.equal(error, null);
    assert.deepEqual(seen.filter(({ type }) => type === 'headgate-warning'), []);
    const wanted = await page.evaluate(() => video.wanted);
    assert.ok(wanted.filter(({ reason }) => reason === 'expiring').length >= 2, JSON.stringify(wanted));
    assert.ok(wanted.every(({ url }) => url.startsWith(`${origin.url}t/-/`)));
    const tokens = await assertKept();
    const used = tokens.filter((token) => sent.some(({ url }) => url.includes(`/t/${token}/chunk-`)));
    assert.ok(used.length >= 3, `${used.length} of ${tokens.length}`);
    assert.ok(sent.some(({ url }) => url.includes('CMCD=') && url.includes('nor')), 'the next object is told of');
    // The first one is worth nothing any more.
    const old = await fetch(`${origin.url}t/${tokens[0]}/hls.m3u8`);
    assert.deepEqual([old.status, old.headers.get('signed-url-refusal')], [403, 'expired']);
  });

  test('a refusal in mid-play has it renewed once, and playback goes on', async () => {
    await origin.fault('403x1:*-00005.m4s');
    await play('dash.mpd', { life: 600, config: { buffer: { goalS: 4 } } });
    await until(page, () => video.ended, undefined, 60_000);
    const { error, seen } = await state(page);
    assert.equal(error, null);
    assert.deepEqual(seen.filter(({ type }) => type === 'headgate-warning'), []);
    const wanted = await page.evaluate(() => video.wanted);
    assert.deepEqual(wanted.map(({ reason }) => reason), ['refused']);
    assert.match(wanted[0].url, /\/t\/-\/chunk-stream\d-00005\.m4s$/);
    const [first, second] = await assertKept();
    const refused = statuses.filter(({ status }) => status === 403);
    assert.equal(refused.length, 1);
    assert.ok(refused[0].url.includes(first));
    assert.ok(statuses.some(({ url, status }) => status === 200 && url === refused[0].url.replace(first, second)), 'it was made once more');
    assert.doesNotMatch(await page.evaluate(() => video.api.exportLog()), /"status":403/, 'the engine knows nothing of it');
  });

  test('a redirect tells nobody either', async () => {
    // The playlist moves to a path of the same origin, and the server says so with the token.
    await page.route(/\/t\/[^/]+\/moved\.m3u8$/, (route) => {
      const headers = { location: route.request().url().replace('moved', 'hls'), 'access-control-allow-origin': '*' };
      return route.fulfill({ status: 302, headers });
    });
    await play('moved.m3u8', { life: 600 });
    await until(page, () => video.ended, undefined, 60_000);
    assert.ok(sent.some(({ url }) => /\/hls\.m3u8$/.test(url)), 'it was followed');
    assert.match(await page.evaluate(() => video.api.exportLog()), /\/t\/-\/hls\.m3u8/);
    await assertKept();
  });

  test('where it cannot be renewed, the page is told and the refusals count', async () => {
    const retry = { attempts: 2, backoffMs: 20, maxBackoffMs: 20 };
    await play('hls.m3u8', { life: 2, failing: true, config: { retry, buffer: { goalS: 4 } } });
    // As with any refusal: segments that cannot be had are passed over.
    await until(page, () => video.error || video.ended, undefined, 60_000);
    const { seen } = await state(page);
    const warnings = seen.filter(({ type }) => type === 'headgate-warning').map(({ detail }) => detail);
    assert.equal(warnings[0].kind, 'signing');
    assert.ok(warnings.some(({ kind, message }) => kind === 'http' && message.endsWith('403')), JSON.stringify(warnings));
    await assertKept();
  });

  test('the page gets thumbnails that it can fetch', async () => {
    await page.evaluate((url) => video.setAttribute('thumbnails', url), `${origin.url}t/-/thumbnails.vtt`);
    await play('hls.m3u8', { life: 3 });
    await until(page, () => video.api?.thumbnailAt(1) && video.wanted.length > 0);
    const shown = await page.evaluate(async () => {
      const image = new Image();
      image.src = video.api.thumbnailAt(1).url;
      await image.decode();
      const track = [...video.textTracks].find(({ label }) => label === 'thumbnails');
      return { url: image.src, cue: track.cues[0].text, token: video.tokens.at(-1), width: image.naturalWidth };
    });
    assert.equal(shown.url, `${origin.url}t/${shown.token}/sprite.jpg#xywh=0,0,160,90`);
    assert.equal(shown.width, 320);
    await until(page, () => [...video.textTracks].find(({ label }) => label === 'thumbnails').cues[0].text === video.api.thumbnailAt(1).url);
  });
});
