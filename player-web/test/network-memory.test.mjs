import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { load } from './load.mjs';

const { recall, remember } = await load('network-memory.ts');
const MEMORY = { kbps: 3000, spread: 0.25, unixMs: 1_700_000_000_000 };

afterEach(() => {
  delete globalThis.localStorage;
});

function shelf(items = {}) {
  return { items, getItem: (key) => items[key] ?? null, setItem: (key, value) => void (items[key] = value) };
}

test('what is remembered comes back, and nothing else is kept', () => {
  const own = shelf();
  remember(own, { type: 'remember', ...MEMORY, kbps: 3000.4, spread: 0.25001, url: 'https://secret.example/' });
  assert.deepEqual(own.items, { 'headgate.network': '{"kbps":3000,"spread":0.25,"time":1700000000000}' });
  assert.deepEqual(recall(own), MEMORY);
  globalThis.localStorage = shelf();
  remember(undefined, MEMORY);
  assert.deepEqual(recall('local'), MEMORY);
  assert.equal(recall('none'), undefined);
  remember('none', { ...MEMORY, kbps: 1 });
  assert.equal(recall(undefined).kbps, 3000);
});

test('no storage, a locked one and a full one do no harm', () => {
  assert.equal(recall('local'), undefined);
  remember('local', MEMORY);
  const locked = () => {
    throw new DOMException('denied', 'SecurityError');
  };
  Object.defineProperty(globalThis, 'localStorage', { get: locked, configurable: true });
  assert.equal(recall('local'), undefined);
  remember('local', MEMORY);
  const full = { getItem: locked, setItem: locked };
  assert.equal(recall(full), undefined);
  remember(full, MEMORY);
  assert.equal(recall({}), undefined);
});

test('what another has written is not believed', () => {
  for (const text of ['', 'x', 'null', '7', '[]', '{}', '{"kbps":"3000","spread":0,"time":1}', '{"kbps":1e999,"spread":0,"time":1}', '{"kbps":1,"spread":0}']) {
    assert.equal(recall(shelf({ 'headgate.network': text })), undefined, text);
  }
});
