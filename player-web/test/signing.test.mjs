// The tokens of signed URLs, with a clock and a network of the test's.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { load } from './load.mjs';

const { Signing } = await load('signing.ts');

const CDN = 'https://cdn.example';
const MASTER = `${CDN}/t/first/demo/hls/master.m3u8`;
const SEGMENT = `${CDN}/t/-/demo/1.m4s`;
const START = 1_700_000_000_000;

/** What was fetched, and what is answered: a function of the URL, with status 200 otherwise. */
let fetched;
let answer;
let failures;
let renewals;

beforeEach(() => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: START });
  [fetched, failures, renewals, answer] = [[], [], 0, () => 200];
  mock.method(globalThis, 'fetch', async (url, init) => {
    fetched.push(url);
    init?.signal?.throwIfAborted();
    return new Response('body', { status: answer(url) });
  });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function make(options, url = MASTER) {
  const signing = new Signing((error) => failures.push(error), () => renewals++);
  const asked = [];
  const refresh = async (wanted) => {
    asked.push(wanted);
    return options.refresh(wanted, asked.length);
  };
  const adopted = signing.adopt(url, { ...options, refresh: options.refresh && refresh });
  return { signing, adopted, asked };
}

/** Lets promises go on. */
async function settle() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test('the token is taken out of what is loaded, and put into what leaves', async () => {
  const { signing, adopted } = make({ refresh: () => assert.fail() });
  assert.equal(adopted, `${CDN}/t/-/demo/hls/master.m3u8`);
  const response = await signing.fetch(`${SEGMENT}?CMCD=nor%3D%22/t/-/2.m4s%22`, {});
  assert.equal(response.status, 200);
  assert.deepEqual(fetched, [`${CDN}/t/first/demo/1.m4s?CMCD=nor%3D%22/t/-/2.m4s%22`]);
  assert.equal(signing.mask(fetched[0]), `${SEGMENT}?CMCD=nor%3D%22/t/-/2.m4s%22`);
  assert.equal(signing.sign(SEGMENT), `${CDN}/t/first/demo/1.m4s`);
});

test('no other origin gets it, unless it is named', async () => {
  const urls = ['https://evil.example/t/-/demo/1.m4s', 'http://cdn.example/t/-/1.m4s', 'https://cdn.example:444/t/-/1.m4s', 'https://cdn.example.evil.example/t/-/1', `https://evil.example/?x=${CDN}/t/-/1`, `${CDN}/demo/1.m4s?next=/t/-/2`];
  const { signing } = make({ refresh: () => assert.fail() });
  answer = () => 403;
  for (const url of urls) assert.equal((await signing.fetch(url, {})).status, 403);
  assert.deepEqual(fetched, urls);
  // A redirect there may have it in its URL; what is said of it has not.
  assert.equal(signing.mask('https://evil.example/t/first/demo/1.m4s'), urls[0]);

  const named = make({ origins: ['https://cdn-b.example'], refresh: () => assert.fail() });
  assert.equal(named.signing.sign('https://cdn-b.example/t/-/demo/1.m4s'), 'https://cdn-b.example/t/first/demo/1.m4s');
  assert.equal(named.signing.sign(urls[0]), urls[0]);
});

test('URLs without a place for it stay as they are', async () => {
  for (const url of [`${CDN}/demo/t`, `${CDN}/cut/x/1`, `${CDN}/a?u=/t/first/`]) {
    assert.equal(make({ refresh: () => assert.fail() }, url).adopted, url);
  }
  const { signing } = make({ refresh: () => assert.fail() });
  assert.equal(signing.adopt(MASTER, undefined), MASTER, 'nobody has asked for it');
});

test('it is renewed at four fifths of its life, or a minute before its end', async () => {
  for (const [life, at] of [[10_000, 8_000], [100_000, 80_000], [600_000, 540_000]]) {
    mock.timers.setTime(START);
    const { asked, signing } = make({ expires: START + life, refresh: () => ({ token: 'second', expires: START + 2 * life }) });
    mock.timers.tick(at - 1);
    await settle();
    assert.equal(asked.length, 0);
    mock.timers.tick(1);
    await settle();
    assert.deepEqual(asked, [{ url: `${CDN}/t/-/demo/hls/master.m3u8`, reason: 'expiring' }]);
    assert.equal(signing.sign(SEGMENT), `${CDN}/t/second/demo/1.m4s`);
    assert.equal(signing.mask(`${CDN}/t/first/a ${CDN}/t/second/b`), `${CDN}/t/-/a ${CDN}/t/-/b`, 'the old one, too');
    signing.rest();
    mock.timers.tick(10 * life);
    await settle();
    assert.equal(asked.length, 1, 'nothing plays any more');
  }
  assert.equal(renewals, 3);
});

test('requests go on with the old one while it is renewed', async () => {
  let give;
  const { signing, asked } = make({ expires: START + 10_000, refresh: () => new Promise((resolve) => (give = resolve)) });
  mock.timers.tick(9000);
  await Promise.all([signing.fetch(SEGMENT, {}), signing.fetch(SEGMENT, {})]);
  assert.equal(asked.length, 1);
  assert.deepEqual(fetched, Array(2).fill(`${CDN}/t/first/demo/1.m4s`));
  give(`${CDN}/t/second/demo/hls/master.m3u8`);
  await settle();
  await signing.fetch(SEGMENT, {});
  assert.equal(fetched.at(-1), `${CDN}/t/second/demo/1.m4s`);
});

test('once it has expired they wait for the new one, but not for ever', async () => {
  let give;
  const { signing, asked } = make({ expires: START + 10_000, refresh: () => new Promise((resolve) => (give = resolve)) });
  signing.rest();
  mock.timers.tick(11_000);
  const waiting = [signing.fetch(SEGMENT, {}), signing.fetch(SEGMENT, {})];
  await settle();
  assert.deepEqual([fetched.length, asked.length], [0, 1]);
  give({ token: 'second', expires: START + 20_000 });
  await Promise.all(waiting);
  assert.deepEqual(fetched, Array(2).fill(`${CDN}/t/second/demo/1.m4s`));

  fetched.length = 0;
  answer = () => 403;
  mock.timers.tick(10_000);
  const late = signing.fetch(SEGMENT, {});
  await settle();
  mock.timers.tick(10_000);
  assert.equal((await late).status, 403);
  assert.match(failures[0].message, /no answer/);
  assert.deepEqual([fetched.length, asked.length], [1, 2], 'not asked again at once');
});

test('a refusal has it renewed, once for all requests, and each is made once more', async () => {
  answer = (url) => (url.includes('/first/') ? 403 : 200);
  const { signing, asked } = make({ refresh: () => ({ token: 'second' }) });
  const responses = await Promise.all([signing.fetch(SEGMENT, {}), signing.fetch(SEGMENT, {}), signing.fetch(SEGMENT, {})]);
  assert.deepEqual(responses.map(({ status }) => status), [200, 200, 200]);
  assert.deepEqual(asked, [{ url: SEGMENT, reason: 'refused' }]);
  assert.equal(fetched.length, 6);
});

test('what is refused again is the answer', async () => {
  answer = () => 403;
  const { signing, asked } = make({ refresh: (_, time) => ({ token: `token-${time}` }) });
  assert.equal((await signing.fetch(SEGMENT, {})).status, 403);
  assert.deepEqual([asked.length, fetched.length], [1, 2]);
  const same = make({ refresh: () => ({ token: 'first' }) });
  assert.equal((await same.signing.fetch(SEGMENT, {})).status, 403);
  assert.equal(fetched.length, 3, 'no request is made again with the token that was refused');
});

test('a callback that fails is told, and left alone for a while', async () => {
  answer = () => 403;
  for (const refresh of [() => Promise.reject(new Error('down')), () => undefined, () => null, () => ({ token: '' }), () => ({ token: 'a/b' }), () => `${CDN}/demo/`, () => ({})]) {
    failures.length = 0;
    const { signing, asked } = make({ refresh });
    assert.equal((await signing.fetch(SEGMENT, {})).status, 403);
    assert.equal((await signing.fetch(SEGMENT, {})).status, 403);
    assert.deepEqual([asked.length, failures.length], [1, 1], String(refresh));
    mock.timers.tick(5000);
    await signing.fetch(SEGMENT, {});
    assert.equal(asked.length, 2);
  }
});

test('the first token can be asked for, or be given apart', async () => {
  const url = `${CDN}/t/-/demo/hls/master.m3u8`;
  const asking = make({ refresh: () => new URL(MASTER) }, url);
  await asking.signing.fetch(url, {});
  assert.deepEqual(asking.asked, [{ url, reason: 'expiring' }]);
  const given = make({ token: 'first', refresh: () => assert.fail() }, url);
  await given.signing.fetch(url, {});
  assert.deepEqual(fetched, [MASTER, MASTER]);
});

test('a clock that is wrong causes no storm of renewals', async () => {
  const { signing, asked } = make({ expires: START - 3_600_000, refresh: () => ({ token: 'second', expires: START - 3_000_000 }) });
  for (let i = 0; i < 5; i++) await signing.fetch(SEGMENT, {});
  assert.equal(asked.length, 0);
  answer = (url) => (url.includes('/first/') ? 403 : 200);
  assert.equal((await signing.fetch(SEGMENT, {})).status, 200);
  assert.equal(asked.length, 1);
});

test('what is preloaded has a token of its own', async () => {
  const { signing } = make({ refresh: () => assert.fail() });
  const next = signing.adopt(`${CDN}/t/other/next/hls/master.m3u8`, { refresh: () => ({ token: 'other-2' }) });
  assert.equal(signing.sign(SEGMENT), `${CDN}/t/first/demo/1.m4s`);
  assert.equal(signing.sign(`${CDN}/t/-/next/1.m4s`), `${CDN}/t/other/next/1.m4s`);
  answer = (url) => (url.includes('/other/') ? 403 : 200);
  assert.equal((await signing.fetch(`${CDN}/t/-/next/1.m4s`, {})).status, 200);
  assert.equal(signing.sign(SEGMENT), `${CDN}/t/first/demo/1.m4s`);
  // Loaded then, it is the same thing.
  assert.equal(signing.adopt(`${CDN}/t/other-3/next/hls/master.m3u8`, { refresh() {} }), next);
  assert.equal(signing.sign(`${CDN}/t/-/next/1.m4s`), `${CDN}/t/other-3/next/1.m4s`);
});
