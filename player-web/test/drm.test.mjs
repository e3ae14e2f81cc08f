// The calls of Encrypted Media Extensions, with a CDM that does what ClearKey cannot.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { bench, CANDIDATE, FakeMedia, forgetKeys, settle } from './support/drm.mjs';

const KEY = '00112233445566778899aabbccddeeff';
const [VIDEO] = CANDIDATE.video;
const [AUDIO] = CANDIDATE.audio;

beforeEach(() => {
  globalThis.isSecureContext = true;
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test('MediaCapabilities grants the first candidate that it can', async () => {
  const page = bench({ systems: { 'com.widevine.alpha': { robustness: ['SW_SECURE_DECODE'] } } });
  const hardware = { ...CANDIDATE, video_robustness: 'HW_SECURE_ALL', audio_robustness: 'HW_SECURE_ALL' };
  const software = { ...CANDIDATE, video_robustness: 'SW_SECURE_DECODE', audio_robustness: 'SW_SECURE_DECODE' };
  const found = await page.access({ ...CANDIDATE, key_system: 'com.apple.fps' }, hardware, software);
  assert.deepEqual(found, { event: 'access', request: 1, candidate: 2, types: [VIDEO, AUDIO] });
  assert.ok(!page.cdm.names.includes('requestMediaKeySystemAccess'), 'nothing else is asked');
  const [, , question] = page.cdm.calls.at(-1);
  assert.deepEqual(question.keySystemConfiguration, {
    keySystem: 'com.widevine.alpha',
    initDataType: 'cenc',
    distinctiveIdentifier: 'optional',
    persistentState: 'optional',
    sessionTypes: ['temporary'],
    video: { robustness: 'SW_SECURE_DECODE', encryptionScheme: 'cenc' },
    audio: { robustness: 'SW_SECURE_DECODE', encryptionScheme: 'cenc' },
  });
});

test('types that cannot be decrypted are left out', async () => {
  const hevc = 'video/mp4; codecs="hvc1.1.6.L93.B0"';
  for (const decodingInfo of ['full', 'none', 'plain']) {
    const page = bench({ decodingInfo, systems: { 'com.widevine.alpha': { types: [VIDEO, AUDIO] } } });
    const { types } = await page.access({ ...CANDIDATE, video: [hevc, VIDEO] });
    assert.deepEqual(types.toSorted(), [AUDIO, VIDEO].toSorted(), decodingInfo);
  }
});

test('where MediaCapabilities knows no key systems, there is the older way', async () => {
  for (const decodingInfo of ['none', 'plain']) {
    for (const old of [false, true]) {
      const page = bench({ decodingInfo, old });
      const wanted = { ...CANDIDATE, persistent: true, persistent_state: 'required', encryption_scheme: 'cbcs' };
      const { candidate } = await page.access({ ...CANDIDATE, key_system: 'com.microsoft.playready' }, wanted);
      // A browser that does not know `encryptionScheme` does not say that it cannot.
      assert.equal(candidate, 1);
      const [, , configuration] = page.cdm.calls.at(-1);
      assert.deepEqual(configuration, {
        initDataTypes: ['cenc'],
        distinctiveIdentifier: 'optional',
        persistentState: 'required',
        sessionTypes: ['persistent-license'],
        videoCapabilities: [{ contentType: VIDEO, robustness: '', encryptionScheme: 'cbcs' }],
        audioCapabilities: [{ contentType: AUDIO, robustness: '', encryptionScheme: 'cbcs' }],
      });
    }
  }
});

test('of a stream of which nothing is known something is asked', async () => {
  const page = bench({ decodingInfo: 'none' });
  assert.equal((await page.access({ ...CANDIDATE, audio: [], video: [] })).candidate, 0);
  const [, , configuration] = page.cdm.calls.at(-1);
  assert.equal(configuration.videoCapabilities.length, 1);
});

test('what is not there is refused', async () => {
  const page = bench({ systems: {} });
  assert.equal((await page.access()).refused, 'unsupported');
  page.cdm.navigator.requestMediaKeySystemAccess = undefined;
  page.cdm.navigator.mediaCapabilities = undefined;
  assert.equal((await page.access()).refused, 'unsupported');
  globalThis.isSecureContext = false;
  assert.equal((await page.access()).refused, 'insecure-context');
});

test('a browser that never answers is not waited for', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  for (const decodingInfo of ['full', 'none']) {
    const mute = bench({ decodingInfo, mute: ['com.widevine.alpha'] });
    mute.command({ access: { request: 1, candidates: [CANDIDATE, { ...CANDIDATE, video_robustness: 'x' }] } });
    await settle();
    assert.equal(mute.events.length, 0);
    mock.timers.tick(5000);
    assert.equal((await mute.event('access')).refused, 'timeout');
    assert.equal(mute.cdm.calls.length, 1, 'not asked again in other words');

    const other = bench({ decodingInfo, mute: ['com.widevine.alpha'], systems: { 'org.w3.clearkey': {} } });
    other.command({ access: { request: 2, candidates: [CANDIDATE, { ...CANDIDATE, key_system: 'org.w3.clearkey' }] } });
    await settle();
    mock.timers.tick(5000);
    assert.equal((await other.event('access')).candidate, 1);
  }
});

test('MediaKeys are kept for the next load of the same key system', async () => {
  const video = new FakeMedia();
  const first = bench({ systems: { 'com.widevine.alpha': {}, 'org.w3.clearkey': {} } }, {}, video);
  assert.equal((await first.attach()).error, undefined);
  const keys = video.mediaKeys;
  assert.ok(keys);
  first.command('detach');
  first.drm.close();
  await settle();
  assert.equal(video.mediaKeys, null);

  const second = bench(first.cdm, {}, video);
  await second.attach();
  assert.equal(video.mediaKeys, keys);
  second.command('detach');
  await second.attach({ ...CANDIDATE, key_system: 'org.w3.clearkey' });
  assert.equal(video.mediaKeys.keySystem, 'org.w3.clearkey');
  assert.equal(first.cdm.names.filter((name) => name === 'createMediaKeys').length, 2);

  second.drm.close();
  forgetKeys(video);
  await settle();
  assert.equal(video.mediaKeys, null);
  const third = bench(first.cdm, {}, video);
  await third.attach({ ...CANDIDATE, key_system: 'org.w3.clearkey' });
  assert.equal(first.cdm.names.filter((name) => name === 'createMediaKeys').length, 3);
});

test('keys of somebody else are replaced, and an element that takes none is told of', async () => {
  const video = new FakeMedia();
  video.mediaKeys = { of: 'the page' };
  assert.equal((await bench({}, {}, video).attach()).error, undefined);
  assert.deepEqual(video.calls, ['clear', 'set']);

  const busy = new FakeMedia();
  busy.mediaKeys = { of: 'the page' };
  busy.busy = true;
  assert.equal((await bench({}, {}, busy).attach()).error, 'InvalidStateError: busy');
});

test('a certificate that is accepted, not taken, or refused', async () => {
  const certificate = Uint8Array.of(1, 2, 3);
  const options = { advanced: { 'com.widevine.alpha': { serverCertificate: certificate } } };
  for (const [answer, error] of [[true, undefined], [false, undefined], [new TypeError('bad certificate'), 'TypeError: bad certificate']]) {
    const page = bench({ certificate: answer }, options);
    await page.access();
    // The certificate does not overtake what it belongs to.
    page.command('attach');
    page.command({ certify: { response: null } });
    assert.equal((await page.event('certified')).error, error);
    assert.equal(page.events[0].event, 'attached');
    assert.deepEqual(page.cdm.calls.at(-1), ['setServerCertificate', 3]);
  }
  const fetched = bench({}, options);
  await fetched.attach();
  fetched.command({ certify: { response: 7 } }, new Uint8Array(9));
  await fetched.event('certified');
  assert.deepEqual(fetched.cdm.calls.at(-1), ['setServerCertificate', 9]);
});

test('a session says what it wants, also before its request is made', async () => {
  const page = bench({
    onRequest: (session) => {
      session.say('individualization-request', [1]);
      session.say(undefined, [2]);
    },
  });
  await page.attach();
  assert.deepEqual(await page.open(), { event: 'opened', session: 1, id: 'session-1' });
  const message = { event: 'message', session: 1 };
  assert.deepEqual(await page.event('message'), { ...message, messageType: 'individualization-request', bytes: Uint8Array.of(1) });
  assert.deepEqual(await page.event('message'), { ...message, messageType: 'license-request', bytes: Uint8Array.of(2) });
  page.cdm.sessions[0].say('license-renewal', [3]);
  assert.equal((await page.event('message')).messageType, 'license-renewal');
  assert.equal(page.drm.sessionId(1), 'session-1');
  assert.equal(page.drm.sessionId(2), '');
});

test('sessions that are refused say why', async () => {
  const page = bench({ sessions: 1 });
  assert.deepEqual(await page.open(), { event: 'opened', session: 1, refused: 'other', error: 'Error: no key system was attached' });
  await page.attach();
  await page.open(2);
  assert.equal((await page.open(3)).refused, 'quota');

  const odd = bench({ refusal: new TypeError('the initialization data is broken') });
  await odd.attach();
  assert.deepEqual(await odd.open(), { event: 'opened', session: 1, refused: 'other', error: 'TypeError: the initialization data is broken' });
  odd.cdm.script.refusal = Object.assign(new Error('full'), { name: 'QuotaExceededError' });
  assert.equal((await odd.open(2)).refused, 'quota');
  await settle();
  assert.deepEqual(odd.events, [], 'they are not closed, since they were not open');
});

test('licences are stored, loaded, and given back', async () => {
  const page = bench({ stored: ['kept'] });
  await page.attach({ ...CANDIDATE, persistent: true });
  await page.open(1, true);
  assert.deepEqual(page.cdm.calls.find(([name]) => name === 'createSession'), ['createSession', 'persistent-license']);
  page.command({ load: { session: 2, stored: 'kept' } });
  assert.deepEqual(await page.event('opened'), { event: 'opened', session: 2, id: 'kept' });
  page.command({ load: { session: 3, stored: 'gone' } });
  assert.deepEqual(await page.event('opened'), { event: 'opened', session: 3, refused: 'absent' });
  await page.event('message');
  page.cdm.sessions[1].setKeys([KEY, 'usable']);
  await page.event('keys');
  page.command({ remove: { session: 2 } });
  assert.deepEqual((await page.event('keys')).keys, [{ id: KEY, status: 'released' }]);
  assert.equal((await page.event('message')).messageType, 'license-release');
});

test('all keys are told, whatever the order of arguments', async () => {
  const other = 'ff112233445566778899aabbccddee00';
  for (const swapped of [false, true]) {
    const page = bench({ swapped });
    await page.attach();
    await page.open();
    const statuses = ['usable', 'expired', 'released', 'output-restricted', 'output-downscaled', 'usable-in-future', 'status-pending', 'internal-error'];
    for (const status of statuses) {
      // One that is no key: some platforms have such.
      page.cdm.sessions[0].setKeys([KEY, status], ['00', 'usable'], [other, 'usable']);
      const keys = [{ id: KEY, status }, { id: other, status: 'usable' }];
      assert.deepEqual(await page.event('keys'), { event: 'keys', session: 1, keys });
    }
  }
});

test('what a licence server has said is given to the CDM, and is in no error', async () => {
  const secret = 'c2VjcmV0LWxpY2VuY2Utd2l0aC1hLWtleQ';
  const page = bench({
    onUpdate: (session, bytes) => {
      if (bytes[0] !== 8) throw new TypeError(`cannot parse {"k":"${secret}"} of https://licence.example/?token=${secret} nor ${secret}`);
      session.setKeys([KEY, 'usable']);
    },
  });
  await page.attach();
  await page.open();
  page.command({ update: { session: 1 } }, Uint8Array.of(8, 2));
  assert.deepEqual(await page.event('updated'), { event: 'updated', session: 1 });
  await page.event('keys');
  page.command({ update: { session: 1 } }, Uint8Array.of(9));
  const { error } = await page.event('updated');
  assert.match(error, /^TypeError: cannot parse …/);
  assert.ok(!error.includes(secret));
  page.command({ renew: { session: 1 } });
  await page.event('updated');
  assert.deepEqual(page.cdm.sessions[0].updates.at(-1), new TextEncoder().encode('renew'));
  page.command({ update: { session: 5 } }, Uint8Array.of(8));
  assert.equal((await page.event('updated')).error, 'Error: the session is not open');
});

test('a session is closed once, as asked, and also where the browser never says so', async () => {
  const page = bench();
  await page.attach();
  await page.open();
  page.cdm.sessions[0].setKeys([KEY, 'usable']);
  page.command({ close: { session: 1 } });
  page.command({ close: { session: 1 } });
  assert.deepEqual(await page.event('closed'), { event: 'closed', session: 1, reason: 'closed-by-application' });
  await settle();
  assert.equal(page.cdm.names.filter((name) => name === 'close').length, 1);
  assert.deepEqual(page.events.map(({ event }) => event), ['message', 'keys'], 'that the keys are gone is known');
  assert.equal(page.drm.sessionId(1), 'session-1', 'for errors that come later');

  mock.timers.enable({ apis: ['setTimeout'] });
  const deaf = bench({ neverCloses: true });
  await deaf.attach();
  await deaf.open();
  deaf.command({ close: { session: 1 } });
  await settle();
  mock.timers.tick(2000);
  assert.equal((await deaf.event('closed')).reason, 'closed-by-application');
});

test('a CDM that is reset says so, and is not used for the next load', async () => {
  for (const [reason, made] of [['hardware-context-reset', 2], ['internal-error', 2], [undefined, 2], ['resource-evicted', 1], ['release-acknowledged', 1]]) {
    const page = bench();
    await page.attach();
    await page.open();
    page.cdm.sessions[0].end(reason);
    assert.equal((await page.event('closed')).reason, reason ?? 'internal-error');
    page.command('detach');
    await page.attach();
    assert.equal(page.cdm.names.filter((name) => name === 'createMediaKeys').length, made, reason);
  }
});

test('which HDCP there is', async () => {
  const page = bench({ lacksHdcp: '2.0' });
  await page.attach();
  page.command({ hdcp: { versions: ['1.4', '2.2'] } });
  assert.deepEqual(await page.event('hdcp'), { event: 'hdcp', lacking: ['2.2'] });
  const silent = bench();
  await silent.attach();
  silent.command({ hdcp: { versions: ['1.4'] } });
  await settle();
  assert.deepEqual(silent.events, []);
});

test('one that is closed says nothing any more, and leaves no session', async () => {
  const page = bench();
  await page.attach();
  await page.open();
  page.events.length = 0;
  page.drm.close();
  page.cdm.sessions[0].say('license-renewal', [1]);
  await settle();
  assert.deepEqual(page.events, []);
  assert.ok(page.cdm.names.includes('close'));
  assert.equal(page.video.mediaKeys, null);
});
