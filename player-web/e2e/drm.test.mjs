// Protected streams with a content decryption module that does what ClearKey cannot show: the page, the driver and the engine are real.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { start } from './support/browser.mjs';
import { install, KEYS, protect, serveLicences, TOKEN } from './support/keys.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const WIDEVINE = 'com.widevine.alpha';
/** The keys that a session was opened for are usable. */
const USABLE = `onUpdate: (session) => session.setKeys(...own(session).map((key) => [key, 'usable']))`;

describe('protected streams', { timeout: 300_000 }, () => {
  let site;
  let page;
  let said;
  before(async () => {
    site = await start(protect);
  });
  after(() => site?.close());
  beforeEach(async () => {
    page = await site.open('/element.html');
    said = [];
    page.on('console', (message) => said.push(message.text()));
  });
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  const server = () => `${site.server.origin}/licence/wv?token=${TOKEN}`;

  /** Mounts an element with the option `drm`, which is source text: it may hold functions. */
  async function play(src, drm, attributes = {}) {
    await mount(page, { autoplay: '', ...attributes });
    await page.evaluate(`{
      for (const type of ['licencestored', 'limitchange']) {
        video.addEventListener(\`headgate-\${type}\`, ({ detail }) => video.seen.push({ type, detail }));
      }
      video.drm = ${drm};
      video.src = '/stream/${src}';
    }`);
  }

  const calls = () => page.evaluate(() => cdm.calls.map(([name]) => name));
  const problem = async () => {
    await until(page, () => video.error);
    const { kind, message, drm } = await page.evaluate(() => ({ kind: video.error.kind, message: video.error.message, drm: video.error.drm }));
    assert.equal(kind, 'drm', message);
    return { message, ...drm };
  };
  /** Of all keys that there are. */
  const say = (status) => page.evaluate((status) => cdm.setAll(status), status);
  const log = () => page.evaluate(() => video.api.exportLog());

  test('clear streams load nothing of it', async () => {
    site.server.requests.length = 0;
    await mount(page, { autoplay: '', src: '/stream/dash.mpd' });
    await plays(page);
    assert.ok(!site.server.requests.some(({ path }) => path.endsWith('/drm.js')));
  });

  test('Widevine: certificate, licence, pictures; nobody else sees what is secret', async () => {
    await install(page, `{ ${USABLE}, onRequest: (session) => session.say('license-request', [8, 1, 0x77, 0x77, 0x77]) }`);
    const asked = await serveLicences(page, ({ url }) => (url.includes('/cert') ? { body: Buffer.from([0x55, 0x55, 0x55]) } : { body: Buffer.from([8, 2, 0x99, 0x99, 0x99]) }));
    const cert = `${site.server.origin}/licence/cert?token=${TOKEN}`;
    const drm = `{
      servers: { '${WIDEVINE}': '${server()}' },
      advanced: { '${WIDEVINE}': { serverCertificateUri: '${cert}', headers: async () => ({ Authorization: 'Bearer ${TOKEN}' }) } },
    }`;
    await play('widevine.mpd', drm, { 'site-key': 'k', 'beacon-url': `${site.server.origin}/v1/beacons` });
    await until(page, () => video.ended, undefined, 60_000);
    const names = await calls();
    assert.ok(names.indexOf('setServerCertificate') < names.indexOf('createSession'), names.join());
    assert.ok(!names.includes('requestMediaKeySystemAccess'));
    const [certificate, ...licences] = asked;
    assert.deepEqual([certificate.url, certificate.method], [cert, 'GET']);
    for (const { url, method, headers, body } of licences) {
      assert.deepEqual([url, method, headers.authorization, [...body]], [server(), 'POST', `Bearer ${TOKEN}`, [8, 1, 0x77, 0x77, 0x77]]);
    }
    assert.deepEqual(await page.evaluate(() => [...cdm.sessions[0].updates[0]]), [8, 2, 0x99, 0x99, 0x99]);
    const { seen, error } = await state(page);
    assert.equal(error, null);
    assert.deepEqual(seen.filter(({ type }) => type === 'headgate-warning'), []);
    const parts = { log: await log(), seen: JSON.stringify(seen), said: said.join('\n'), beacons: JSON.stringify(site.server.beacons) };
    assert.ok(site.server.beacons.length > 0);
    assert.ok(parts.log.includes('/licence/wv'));
    for (const [name, text] of Object.entries(parts)) {
      // The token; message, licence and certificate in base64, hexadecimal and as lists.
      assert.doesNotMatch(text, new RegExp(`${TOKEN}|d3d3|mZmZ|VVVV|777777|999999|555555|119,119|153,153|85,85`), name);
    }
  });

  test("ClearKey: the browser's own CDM, with keys of the page", async () => {
    const key = 'fedcba98765432100123456789abcdef';
    const keys = Object.fromEntries(KEYS.map((id) => [id, key]));
    await play('clearkey.mpd', `{ clearKeys: ${JSON.stringify(keys)} }`);
    await plays(page);
    // Clear media would play without: the CDM has said that the keys can be used.
    const text = await log();
    assert.match(text, new RegExp(`"keys":\\[\\[?.*${KEYS[0]}.*usable`));
    assert.doesNotMatch(text, new RegExp(`${key}|_ty6mHZUMhABI0VniavN7w|/ty6mHZUMhABI0VniavN7w`));
    // The next stream of the same key system has the same MediaKeys, and a clear one none.
    assert.equal(await page.evaluate(() => (globalThis.kept = video.nativeEl.mediaKeys) instanceof MediaKeys), true);
    await page.evaluate(() => (video.src = '/stream/clearkey.mpd?again'));
    await plays(page);
    assert.equal(await page.evaluate(() => video.nativeEl.mediaKeys === kept), true);
    await page.evaluate(() => (video.src = '/stream/dash.mpd'));
    await plays(page);
    assert.equal(await page.evaluate(() => video.nativeEl.mediaKeys), null);
    await page.evaluate(() => (video.src = '/stream/clearkey.mpd'));
    await plays(page);
    assert.equal(await page.evaluate(() => video.nativeEl.mediaKeys === kept), true);
    await page.evaluate(() => {
      globalThis.inner = video.nativeEl;
      video.remove();
    });
    await page.waitForFunction(() => inner.mediaKeys === null, undefined, { timeout: 10_000 });
  });

  test('what the element says of keys is told once', async () => {
    await play('clearkey.mpd', `{ clearKeys: { '${KEYS[0]}': '${KEYS[1]}' } }`);
    await until(page, () => video.readyState > 0);
    await page.evaluate(() => {
      const say = (initDataType, ...bytes) =>
        video.nativeEl.dispatchEvent(new MediaEncryptedEvent('encrypted', { initDataType, initData: bytes.length > 0 ? Uint8Array.from(bytes).buffer : null }));
      say('webm', 1, 2, 3);
      say('webm', 1, 2, 3);
      say('keyids', 1, 2, 3);
      say('webm');
      say('');
      video.nativeEl.dispatchEvent(new Event('waitingforkey'));
    });
    const lines = (await log()).split('\n').filter((line) => line.includes('"encrypted"'));
    assert.deepEqual(lines.map((line) => /"type":"(\w+)"/.exec(line)?.[1]), ['webm', 'keyids']);
    assert.match(await log(), /waiting_for_key/);
  });

  test('without a server in the options, the attribute names it', async () => {
    await install(page, `{ ${USABLE} }`);
    const asked = await serveLicences(page);
    await mount(page, { autoplay: '', src: '/stream/widevine.mpd', 'licence-servers': `org.w3.clearkey=/licence/ck ${WIDEVINE}=/licence/wv?token=${TOKEN}` });
    await plays(page);
    assert.equal(asked[0].url, server());
  });

  test('PlayReady: its message names the header fields, and the challenge is sent', async () => {
    const xml = `<PlayReadyKeyMessage type="LicenseAcquisition"><LicenseAcquisition Version="1"><Challenge encoding="base64encoded">${Buffer.from('<challenge/>').toString('base64')}</Challenge><HttpHeaders><HttpHeader><name>Content-Type</name><value>text/xml; charset=utf-8</value></HttpHeader><HttpHeader><name>SOAPAction</name><value>"http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense"</value></HttpHeader></HttpHeaders></LicenseAcquisition></PlayReadyKeyMessage>`;
    await install(page, `{
      systems: { 'com.microsoft.playready.recommendation': {} },
      onRequest: (session) => session.say('license-request', [...${JSON.stringify(xml)}].flatMap((c) => [c.charCodeAt(0), 0])),
      // Ids in the order of GUIDs.
      onUpdate: (session) => session.setKeys(...own(session).map((key) => [key.replace(/^(..)(..)(..)(..)(..)(..)(..)(..)/, '$4$3$2$1$6$5$8$7'), 'usable'])),
    }`);
    const asked = await serveLicences(page, () => ({ body: '<?xml version="1.0"?><licence/>', contentType: 'text/xml' }));
    await play('playready.mpd', `{ servers: { 'com.microsoft.playready': '/licence/pr' } }`);
    await plays(page);
    assert.equal(asked[0].body.toString(), '<challenge/>');
    assert.match(asked[0].headers.soapaction, /AcquireLicense/);
    assert.equal(asked[0].headers['content-type'], 'text/xml; charset=utf-8');
  });

  test('FairPlay: certificate first, SPC as its server wants it, CKC in base64', async () => {
    await install(page, `{
      systems: { 'com.apple.fps': {} },
      onRequest: (session) => session.say('license-request', [0, 1, 2]),
      onUpdate: (session) => session.setKeys(...KEYS.map((key) => [key, 'usable'])),
    }`);
    const asked = await serveLicences(page, () => ({ body: JSON.stringify({ ckc: Buffer.from([0, 0, 9]).toString('base64') }), contentType: 'application/json' }));
    await play('fairplay.m3u8', `{
      servers: { 'com.apple.fps': '/licence/fp' },
      advanced: { 'com.apple.fps': { serverCertificate: new Uint8Array(20), licenceRequestForm: 'form' } },
    }`);
    await plays(page);
    const names = await calls();
    assert.ok(names.indexOf('setServerCertificate') < names.indexOf('generateRequest'));
    const [, type] = await page.evaluate(() => cdm.calls.find(([name]) => name === 'generateRequest'));
    assert.equal(type, 'skd');
    assert.equal(asked[0].body.toString(), 'spc=AAEC');
    assert.deepEqual(await page.evaluate(() => [...cdm.sessions[0].updates[0]]), [0, 0, 9]);
  });

  test('a machine that must be made one of a kind, and a certificate that is not taken', async () => {
    await install(page, `{
      certificate: false,
      onRequest: (session) => session.say('individualization-request', [1]),
      onUpdate: (session, [first]) => first === 7 ? session.say('license-request', [8, 1]) : session.setKeys(...own(session).map((key) => [key, 'usable'])),
    }`);
    const asked = await serveLicences(page, ({ url }) => (url.includes('individual') ? { body: Buffer.from([7]) } : {body: Buffer.from([8, 2])}));
    await play('widevine.mpd', `{
      servers: { '${WIDEVINE}': '${server()}' },
      advanced: { '${WIDEVINE}': { individualizationServer: '/licence/individual', serverCertificate: new Uint8Array(3) } },
    }`);
    await plays(page);
    const paths = asked.map(({ url }) => new URL(url).pathname);
    assert.deepEqual(new Set(paths), new Set(['/licence/individual', '/licence/wv']));
    assert.ok(paths.indexOf('/licence/individual') < paths.indexOf('/licence/wv'));
    assert.deepEqual((await state(page)).seen.filter(({ type }) => type === 'headgate-warning'), []);
  });

  test('a certificate that is refused is told', async () => {
    await install(page, `{ certificate: new TypeError('not a certificate'), ${USABLE} }`);
    await serveLicences(page);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' }, advanced: { '${WIDEVINE}': { serverCertificate: new Uint8Array(3) } } }`);
    await until(page, () => video.seen.some(({ type, detail }) => type === 'headgate-warning' && detail.kind === 'drm'));
    const { detail } = (await state(page)).seen.find(({ type }) => type === 'headgate-warning');
    assert.match(detail.message, /certificate/);
    await plays(page);
  });

  test('what the output is not trusted with is left out, and comes back', async () => {
    await install(page, `{
      swapped: true,
      onUpdate: (session) => session.setKeys(...own(session).map((key) => [key, ['output-restricted', 'output-downscaled'][KEYS.indexOf(key)] ?? 'usable'])),
    }`);
    await serveLicences(page);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`, { loop: '' });
    await until(page, () => video.api.limit?.by.includes('restricted') && video.videoWidth === 480);
    await say('usable');
    await until(page, () => video.videoWidth === 640);
  });

  test('an output that is trusted with nothing is an error', async () => {
    await install(page, `{ onUpdate: (session) => session.setKeys(...own(session).map((key) => [key, 'output-restricted'])) }`);
    await serveLicences(page);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`);
    const { kind, keySystem, sessionId, keyId } = await problem();
    assert.deepEqual([kind, keySystem], ['output-restricted', WIDEVINE]);
    assert.ok(sessionId === null || /^session-\d+$/.test(sessionId));
    assert.ok(keyId === null || KEYS.includes(keyId));
  });

  test('a licence that runs out is renewed', async () => {
    await install(page, `{ ${USABLE} }`);
    const asked = await serveLicences(page);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`, { loop: '' });
    await plays(page);
    const before = asked.length;
    await say('expired');
    await until(page, (before) => cdm.calls.filter(([name]) => name === 'update').length > before, before);
    assert.ok(asked.length > before);
    await plays(page);
    assert.equal((await state(page)).error, null);
    // A CDM that renews by itself.
    await page.evaluate(() => cdm.sessions.at(-1).say('license-renewal', [8, 1, 7]));
    await until(page, () => cdm.sessions.at(-1).updates.length === 2);
    assert.deepEqual([...asked.at(-1).body], [8, 1, 7]);
  });

  test('a licence that has run out for good is an error', async () => {
    await install(page, `{ onUpdate: (session) => session.setKeys(...own(session).map((key) => [key, 'expired'])) }`);
    const asked = await serveLicences(page);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`);
    assert.equal((await problem()).kind, 'expired');
    assert.ok(asked.length <= 2 * KEYS.length, `asked ${asked.length} times`);
  });

  test('licences are stored, loaded without a server, and given back', async () => {
    await install(page, `{ ${USABLE} }`);
    const asked = await serveLicences(page);
    const advanced = `advanced: { '${WIDEVINE}': { sessionType: 'persistent-license' } }`;
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' }, ${advanced} }`, { loop: '' });
    await plays(page);
    const stored = await page.evaluate(() => video.api.storedLicences);
    assert.ok(stored.length > 0);
    assert.deepEqual((await state(page)).seen.filter(({ type }) => type === 'licencestored').map(({ detail }) => detail.id), stored);
    const before = asked.length;
    await page.evaluate(() => video.api.releaseLicences());
    await until(page, () => cdm.calls.some(([name]) => name === 'remove') && cdm.calls.at(-1)[0] === 'update');
    assert.deepEqual([...asked[before].body], [8, 5], 'the server is told');
  });

  test('a stored licence is all that is needed', async () => {
    await install(page, `{ stored: ['kept'], onLoad: (session) => session.setKeys(...KEYS.map((key) => [key, 'usable'])) }`);
    const asked = await serveLicences(page, () => ({ status: 500 }));
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' }, storedLicences: ['kept'], advanced: { '${WIDEVINE}': { sessionType: 'persistent-license' } } }`);
    await plays(page);
    assert.equal(asked.length, 0);
    assert.deepEqual(await page.evaluate(() => cdm.calls.find(([name]) => name === 'load')), ['load', 'kept']);
  });

  test('a CDM that is reset in mid-play gets its licences again', async () => {
    await install(page, `{ ${USABLE} }`);
    const asked = await serveLicences(page);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`, { loop: '' });
    await plays(page);
    const before = asked.length;
    await page.evaluate(() => cdm.sessions.forEach((session) => session.end('hardware-context-reset')));
    await until(page, (before) => cdm.calls.filter(([name]) => name === 'update').length > before, before);
    await plays(page);
    assert.ok(asked.length > before);
    const { error, seen } = await state(page);
    assert.equal(error, null);
    assert.match(seen.find(({ type }) => type === 'headgate-warning').detail.message, /reset/);
  });

  test('a CDM that can have no session says so', async () => {
    await install(page, `{ sessions: 0 }`);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`);
    assert.equal((await problem()).kind, 'session-limit');
  });

  test('a browser that never answers, and one that has no key system', async () => {
    await install(page, `{ mute: ['${WIDEVINE}'] }`);
    await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`);
    const mute = await problem();
    assert.equal(mute.kind, 'unsupported');
    assert.match(mute.message, /does not answer/);
    await page.evaluate(() => {
      video.remove();
      cdm.script.mute = [];
    });
    await play('playready.mpd', `{ servers: { 'com.microsoft.playready': '/licence/pr' } }`);
    assert.match((await problem()).message, /has none of the key systems/);
  });

  test('what the licence server says instead of a licence', async () => {
    await install(page, `{ ${USABLE} }`);
    let answer;
    await serveLicences(page, () => answer);
    for (const [said, kind, status] of [
      [{ status: 403, body: TOKEN }, 'request-http', 403],
      [{ status: 200, body: `<!doctype html><p>${TOKEN}`, contentType: 'text/html' }, 'response-rejected', null],
      [{ status: 200, body: TOKEN }, 'response-rejected', null],
    ]) {
      answer = said;
      await page.evaluate(() => globalThis.video?.remove());
      await play('widevine.mpd', `{ servers: { '${WIDEVINE}': '${server()}' } }`);
      const error = await problem();
      assert.deepEqual([error.kind, error.status, error.keySystem], [kind, status, WIDEVINE]);
      // As the licence server's log has it.
      assert.match(error.sessionId, /^session-\d+$/);
      assert.ok(!JSON.stringify(error).includes(TOKEN) && !(await log()).includes(TOKEN));
    }
  });

  test('transforms that fail are told to the application, and then they are an error', async () => {
    await install(page, `{ ${USABLE} }`);
    const asked = await serveLicences(page);
    await mount(page, { autoplay: '', config: { retry: { licence: { attempts: 1 } } } });
    await page.evaluate(`{
      video.addEventListener('headgate-warning', ({ detail }) => { video.cause = detail.cause?.message ?? video.cause; });
      video.drm = { servers: { '${WIDEVINE}': '${server()}' }, requestTransform: async () => { throw new Error('no ${TOKEN}'); } };
      video.src = '/stream/widevine.mpd';
    }`);
    assert.equal((await problem()).kind, 'request-network');
    assert.equal(asked.length, 0);
    assert.equal(await page.evaluate(() => video.cause), `no ${TOKEN}`);
    assert.ok(!(await log()).includes(TOKEN));
  });

  test('options that cannot be meant are refused', async () => {
    await play('widevine.mpd', `{ servers: { widevine: 'https://licence.example/' } }`);
    await until(page, () => video.error);
    assert.match((await state(page)).error.message, /no key system `widevine`/);
  });
});
