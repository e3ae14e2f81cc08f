import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { load } from './load.mjs';

const URL_ = 'https://cdn.example/lib/player.wasm';
const native = globalThis.fetch;
let loadDriver;

beforeEach(async () => {
  globalThis.document = { baseURI: 'https://page.example/' };
  ({ loadDriver } = await load('wasm.ts'));
});

afterEach(() => {
  globalThis.fetch = native;
  delete globalThis.document;
});

function answer(body, init) {
  globalThis.fetch = async () => new Response(body, init);
}

test('a web page in place of the engine is named, without its query', async () => {
  answer('<!doctype html><title>Not found', { headers: { 'Content-Type': 'text/html' } });
  await assert.rejects(loadDriver(`${URL_}?token=secret`), ({ kind, message }) => {
    assert.equal(kind, 'internal');
    assert.match(message, /^https:\/\/cdn\.example\/lib\/player\.wasm is not WebAssembly, it begins with "<!doctype html>/);
    assert.doesNotMatch(message, /secret/);
    assert.match(message, /wasm-url/);
    return true;
  });
});

test('a status and a dead server are named', async () => {
  answer('', { status: 404 });
  await assert.rejects(loadDriver(URL_), /is not at https:\/\/cdn\.example\/lib\/player\.wasm \(status 404\)/);
  globalThis.fetch = async () => {
    throw new TypeError('Failed to fetch');
  };
  await assert.rejects(loadDriver(URL_), /could not be fetched from https:\/\/cdn\.example\/lib\/player\.wasm: Failed to fetch/);
});

test('broken Wasm is refused by name, streamed or not', async () => {
  const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 9, 9, 9, 9]);
  for (const type of ['application/wasm', 'application/octet-stream']) {
    answer(bytes, { headers: { 'Content-Type': type } });
    await assert.rejects(loadDriver(URL_), /the browser refused the engine https:\/\/cdn\.example\/lib\/player\.wasm: /);
  }
  await assert.rejects(loadDriver(new Uint8Array([1, 2, 3])), /the `wasm` option is not WebAssembly/);
});

test('players share one load, and a failed one does not stick', async () => {
  let asked = 0;
  globalThis.fetch = async () => {
    asked++;
    return new Response('', { status: 503 });
  };
  await Promise.allSettled([loadDriver(URL_), loadDriver(URL_)]);
  assert.equal(asked, 1);
  await assert.rejects(loadDriver(URL_), /503/);
  assert.equal(asked, 2);
});
