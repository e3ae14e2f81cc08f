// Requests for licences and certificates: what the application adds, and who gets to see it.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { bench, CANDIDATE, readSettings, settle } from './support/drm.mjs';

const TOKEN = 'token-0123456789abcdef0123456789';
const SERVER = `https://licence.example/wv?token=${TOKEN}`;
const PUBLIC = 'https://licence.example/wv';
const WIDEVINE = 'com.widevine.alpha';

/** What was fetched, and what is answered. */
let fetched;
let answer;

beforeEach(() => {
  globalThis.isSecureContext = true;
  [fetched, answer] = [[], () => new Response(Uint8Array.of(8, 2), { headers: { 'Content-Type': 'application/octet-stream' } })];
  mock.method(globalThis, 'fetch', async (url, init) => {
    fetched.push({ url, ...init });
    init.signal.throwIfAborted();
    const aborted = new Promise((_, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason)));
    return Promise.race([answer(url, init), aborted]);
  });
});
afterEach(() => mock.restoreAll());

const asked = (more = {}) => ({
  type: 'licence',
  request: 7,
  url: PUBLIC,
  maxBytes: 1000,
  session: 1,
  messageType: 'license-request',
  headers: [['Content-Type', 'application/octet-stream']],
  body: Uint8Array.of(8, 4),
  ...more,
});

async function open(options, system = WIDEVINE) {
  const page = bench({ systems: { [system]: {} } }, options);
  await page.attach({ ...CANDIDATE, key_system: system });
  await page.open();
  await page.event('message');
  return page;
}

/** The two events of a request that went well. */
async function answered(page) {
  const response = await page.event('response');
  return { ...response, ...(await page.event('body')) };
}

test('the engine sees no token, and its requests have it', async () => {
  const page = await open({ servers: { [WIDEVINE]: SERVER } });
  assert.ok(!JSON.stringify(page.application.settings.engine).includes(TOKEN));
  page.drm.receive(asked());
  assert.deepEqual(await answered(page), { event: 'body', request: 7, status: 200, contentType: 'application/octet-stream', bytes: Uint8Array.of(8, 2) });
  const [{ url, method, headers, body, credentials, cache }] = fetched;
  assert.deepEqual({ url, method, headers, body, credentials, cache }, {
    url: SERVER,
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream' },
    body: Uint8Array.of(8, 4),
    credentials: 'omit',
    cache: 'no-store',
  });
  page.drm.receive(asked({ url: `${PUBLIC}?CMCD=ot%3Dk` }));
  await answered(page);
  assert.equal(fetched[1].url, `${SERVER}&CMCD=ot%3Dk`);
  // That the manifest names another server gives it nothing.
  page.drm.receive(asked({ url: 'https://other.example/wv' }));
  await answered(page);
  assert.equal(fetched[2].url, 'https://other.example/wv');
});

test('each kind of request has its place', async () => {
  const page = await open({
    servers: { [WIDEVINE]: SERVER },
    advanced: { [WIDEVINE]: { individualizationServer: `${PUBLIC}?individual=1`, serverCertificateUri: 'https://licence.example/cert?c=1', headers: { 'X-Token': TOKEN } } },
  });
  page.drm.receive(asked({ messageType: 'individualization-request' }));
  await answered(page);
  page.drm.receive({ type: 'licence', request: 7, url: 'https://licence.example/cert', maxBytes: 10, headers: [] });
  await answered(page);
  assert.deepEqual(fetched.map(({ url, method, headers }) => [url, method, headers['X-Token']]), [
    [`${PUBLIC}?individual=1`, 'POST', TOKEN],
    ['https://licence.example/cert?c=1', 'GET', undefined],
  ]);
});

test('a name of a family has the settings of the family', async () => {
  const page = await open({ servers: { 'com.microsoft.playready': SERVER } }, 'com.microsoft.playready.recommendation');
  page.drm.receive(asked());
  await answered(page);
  assert.equal(fetched[0].url, SERVER);
});

test('header fields are constant, or made for each request', async () => {
  let count = 0;
  for (const headers of [{ Authorization: 'Bearer 1' }, () => ({ Authorization: `Bearer ${++count}` }), async () => ({ Authorization: `Bearer ${++count}` })]) {
    const page = await open({ servers: { [WIDEVINE]: SERVER }, advanced: { [WIDEVINE]: { headers } }, withCredentials: true });
    page.drm.receive(asked());
    await answered(page);
  }
  assert.deepEqual(fetched.map(({ headers, credentials }) => [headers.Authorization, credentials]), [['Bearer 1', 'include'], ['Bearer 1', 'include'], ['Bearer 2', 'include']]);
});

test('requests and answers are changed in place, or by what is returned', async () => {
  const told = [];
  const requestTransforms = [
    (request, info) => {
      told.push(info);
      request.url += '&in-place';
      request.headers['X-Own'] = '1';
      request.body = new TextEncoder().encode('wrapped');
    },
    async () => ({ url: 'https://proxy.example/', body: 'wrapped', method: 'PUT' }),
    () => undefined,
  ];
  const responseTransforms = [
    (response) => {
      response.body = Uint8Array.of(9, response.body.length);
    },
    async ({ body }) => new Uint8Array([9, body.length]).buffer,
    () => ({ body: 'text', headers: { 'content-type': 'text/plain' } }),
  ];
  const results = [];
  for (const [i, requestTransform] of requestTransforms.entries()) {
    const page = await open({ servers: { [WIDEVINE]: SERVER }, requestTransform, responseTransform: responseTransforms[i] });
    page.drm.receive(asked());
    const { bytes, contentType } = await answered(page);
    results.push([fetched[i].url, fetched[i].method, new TextDecoder().decode(fetched[i].body), [...bytes], contentType]);
  }
  assert.deepEqual(results, [
    [`${SERVER}&in-place`, 'POST', 'wrapped', [9, 2], 'application/octet-stream'],
    ['https://proxy.example/', 'PUT', 'wrapped', [9, 2], 'application/octet-stream'],
    [SERVER, 'POST', '\b\x04', [...new TextEncoder().encode('text')], 'text/plain'],
  ]);
  assert.deepEqual(told, [{ keySystem: WIDEVINE, sessionId: 'session-1', kind: 'license-request' }]);
});

test('the option `request` is asked as for all requests', async () => {
  const page = await open({ servers: { [WIDEVINE]: SERVER }, requestTransform: (request) => void (request.headers.Last = request.url) });
  const infos = [];
  page.application.request = async (info) => {
    infos.push(info);
    return { url: `${info.url}&fresh`, headers: { 'X-A': 'a' }, credentials: 'include' };
  };
  page.drm.receive(asked());
  await answered(page);
  assert.deepEqual(infos, [{ kind: 'licence', url: SERVER }]);
  const [{ url, headers, credentials }] = fetched;
  assert.deepEqual([url, headers['X-A'], headers.Last, credentials], [`${SERVER}&fresh`, 'a', `${SERVER}&fresh`, 'include']);
});

test('what a function of the application throws is told to the application alone', async () => {
  const cause = new Error(`500 for ${SERVER}`);
  const fail = () => {
    throw cause;
  };
  const later = async () => fail();
  const cases = [
    [{ requestTransform: fail }, 'the application\'s `drm.requestTransform` failed'],
    [{ requestTransform: later }, 'the application\'s `drm.requestTransform` failed'],
    [{ responseTransform: later }, 'the application\'s `drm.responseTransform` failed'],
    [{ advanced: { [WIDEVINE]: { headers: later } } }, 'the application\'s `headers` failed'],
    [{ advanced: { [WIDEVINE]: { headers: () => ({ Authorization: 7 }) } } }, 'the application\'s `headers` failed', 'TypeError'],
    [{ requestTransform: () => ({ body: 7 }) }, 'the application gave no request', 'TypeError'],
    [{ responseTransform: () => ({ body: null }) }, 'the application gave no licence', 'TypeError'],
    [{ responseTransform: () => new Uint8Array(2000) }, 'the application gave no licence', 'TypeError'],
  ];
  for (const [options, error, name = 'Error'] of cases) {
    const page = await open({ servers: { [WIDEVINE]: SERVER }, ...options });
    page.drm.receive(asked());
    assert.deepEqual(await page.event('failed'), { event: 'failed', request: 7, error });
    const [warning] = page.warnings;
    assert.deepEqual([warning.message, warning.cause.name, page.warnings.length], [error, name, 1]);
    if (name === 'Error') assert.equal(warning.cause, cause);
  }
});

test('what is cancelled is aborted, and its transforms lead to nothing', async () => {
  const page = await open({ servers: { [WIDEVINE]: SERVER } });
  answer = () => new Promise(() => {});
  page.drm.receive(asked());
  await settle();
  page.drm.receive({ type: 'cancel-licence', request: 7 });
  await settle();
  assert.ok(fetched[0].signal.aborted);

  let go;
  const slow = await open({ servers: { [WIDEVINE]: SERVER }, requestTransform: () => new Promise((resolve) => (go = resolve)) });
  slow.drm.receive(asked());
  await settle();
  slow.drm.receive({ type: 'cancel-licence', request: 7 });
  go({ url: 'https://late.example/' });
  await settle();
  assert.equal(fetched.length, 1, 'nothing is sent');
  assert.deepEqual([page.events, slow.events], [[], []]);

  slow.drm.receive(asked());
  await settle();
  slow.drm.close();
  go();
  await settle();
  assert.equal(fetched.length, 1);
});

test('statuses, failures and answers that are too large', async () => {
  const page = await open({ servers: { [WIDEVINE]: SERVER }, responseTransform: () => assert.fail('only what is an answer') });
  answer = () => new Response(`denied for ${TOKEN}`, { status: 403, headers: { 'Retry-After': '3', 'Content-Type': 'text/plain' } });
  page.drm.receive(asked());
  assert.deepEqual(await page.event('response'), { event: 'response', request: 7, status: 403, contentType: 'text/plain', retryAfter: '3' });
  assert.equal((await page.event('body')).bytes.length, 0, 'of which nobody needs the words');
  answer = () => Promise.reject(new TypeError(`Failed to fetch ${SERVER}`));
  page.drm.receive(asked());
  assert.equal((await page.event('failed')).error, 'TypeError: Failed to fetch (url)');
  answer = () => new Response(new Uint8Array(1001));
  page.drm.receive(asked());
  assert.equal((await page.event('failed')).error, 'RangeError: the answer is larger than 1000 bytes');
});

test('ClearKey with keys of the application asks nobody', async () => {
  const kid = 'ABEiM0RVZneImaq7zN3u_w';
  const clearKeys = { '00112233-4455-6677-8899-aabbccddeeff': '0123456789ABCDEF0123456789abcdef' };
  const page = await open({ clearKeys }, 'org.w3.clearkey');
  const { engine } = page.application.settings;
  const { server } = engine.systems[0];
  assert.doesNotMatch(JSON.stringify(engine), /0123456789abcdef|ASNFZ4mrze8BI0VniavN7w/i);
  const body = (kids) => new TextEncoder().encode(JSON.stringify({ kids, type: 'temporary' }));
  page.drm.receive(asked({ url: server, body: body([kid, 'AAAAAAAAAAAAAAAAAAAAAA']) }));
  const { bytes, status } = await answered(page);
  assert.deepEqual([status, JSON.parse(new TextDecoder().decode(bytes))], [200, { keys: [{ kty: 'oct', kid, k: 'ASNFZ4mrze8BI0VniavN7w' }], type: 'temporary' }]);
  page.drm.receive(asked({ url: server, body: body(['AAAAAAAAAAAAAAAAAAAAAA']) }));
  assert.deepEqual(JSON.parse(new TextDecoder().decode((await answered(page)).bytes)).keys, []);
  page.drm.receive(asked({ url: server, body: Uint8Array.of(1) }));
  assert.match((await page.event('response')) && (await page.event('failed')).error, /^SyntaxError/);
  assert.equal(fetched.length, 0);
});

test('the engine is told of key systems in order', () => {
  const { engine } = readSettings({
    preferredKeySystems: ['com.apple.fps'],
    servers: { [WIDEVINE]: SERVER, 'com.microsoft.playready.recommendation.3000': new URL('https://pr.example/') },
    advanced: {
      [WIDEVINE]: { videoRobustness: ['HW_SECURE_ALL', ''], audioRobustness: 'SW_SECURE_CRYPTO', persistentStateRequired: true, sessionType: 'persistent-license' },
      'com.apple.fps': { serverCertificateUri: 'https://fp.example/cert?key=1', licenceRequestForm: 'json', distinctiveIdentifierRequired: true },
    },
    keyTimeoutMs: 5000,
    maxSessions: 4,
    storedLicences: ['a'],
  });
  const plain = { server: '', individualizationServer: '', certificate: '', audioRobustness: [], videoRobustness: [], persistentStateRequired: false, distinctiveIdentifierRequired: false };
  assert.deepEqual(engine, {
    systems: [
      { ...plain, system: 'com.apple.fps', certificate: 'https://fp.example/cert', distinctiveIdentifierRequired: true },
      { ...plain, system: WIDEVINE, server: PUBLIC, audioRobustness: ['SW_SECURE_CRYPTO'], videoRobustness: ['HW_SECURE_ALL', ''], persistentStateRequired: true },
      { ...plain, system: 'com.microsoft.playready.recommendation.3000', server: 'https://pr.example/' },
    ],
    persistent: true,
    spc: 'json',
    stored: ['a'],
    keyTimeoutMs: 5000,
    maxSessions: 4,
  });
});

test('settings that cannot be meant are refused by name, and not quoted', () => {
  const at = (name, value) => ({ advanced: { [WIDEVINE]: { [name]: value } } });
  for (const [options, message] of [
    [7, /`drm` must be a plain object/],
    [{ server: {} }, /unknown setting `drm.server`; known are advanced, clearKeys/],
    [{ servers: [SERVER] }, /`drm.servers` must be a plain object/],
    [{ servers: { 'com.widevine': SERVER } }, /no key system `com.widevine`/],
    [{ servers: { [WIDEVINE]: 7 } }, /`drm.servers\['com.widevine.alpha'\]` must be a URL/],
    [{ servers: { [WIDEVINE]: `https://u:${TOKEN}@licence.example/` } }, /an HTTP\(S\) URL without a name/],
    [{ servers: { [WIDEVINE]: `ftp://licence.example/${TOKEN}` } }, /an HTTP\(S\) URL/],
    [{ servers: { 'org.w3.clearkey': SERVER }, clearKeys: { ['0'.repeat(32)]: '0'.repeat(32) } }, /either `clearKeys` or a server/],
    [{ clearKeys: { abc: '0'.repeat(32) } }, /the id `abc` has not 32/],
    [{ clearKeys: { ['0'.repeat(32)]: TOKEN } }, /the key of `0{32}` has not 32/],
    [at('robustness', 'x'), /unknown setting `drm.advanced\['com.widevine.alpha'\].robustness`/],
    [at('videoRobustness', [7]), /videoRobustness` must be a string or a list/],
    [at('serverCertificate', TOKEN), /serverCertificate` must be bytes/],
    [at('serverCertificate', new Uint8Array()), /serverCertificate` must be bytes/],
    [at('serverCertificateUri', 7), /serverCertificateUri` must be a URL/],
    [at('headers', TOKEN), /headers` must be a plain object/],
    [at('headers', { Authorization: [TOKEN] }), /headers\['Authorization'\]` must be a string/],
    [at('persistentStateRequired', 'yes'), /persistentStateRequired` must be true or false/],
    [at('sessionType', 'persistent'), /sessionType` must be persistent-license or temporary/],
    [at('licenceRequestForm', 'xml'), /licenceRequestForm` must be form or json or raw/],
    [{ requestTransform: 'x' }, /requestTransform` must be a function/],
    [{ keyTimeoutMs: '10' }, /keyTimeoutMs` must be a whole number from 1/],
    [{ maxSessions: 0 }, /maxSessions` must be a whole number from 1/],
    [{ storedLicences: 7 }, /storedLicences` must be a string or a list/],
    [{ withCredentials: 1 }, /withCredentials` must be true or false/],
  ]) {
    assert.throws(() => readSettings(options), (error) => error instanceof TypeError && message.test(error.message) && !error.message.includes(TOKEN), String(message));
  }
  assert.deepEqual(readSettings().engine.systems, []);
});
