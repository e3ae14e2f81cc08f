import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { load } from './load.mjs';

globalThis.document = { baseURI: 'https://page.example/' };
const key = new Uint8Array(16).fill(7);
const iv = new Uint8Array(16).fill(9);
const FMP4 = { kind: 'video', container: 'fmp4', continuous: false, mute: false, captions: false };

function encrypted(bytes) {
  const cipher = createCipheriv('aes-128-cbc', key, iv);
  return new Uint8Array(Buffer.concat([cipher.update(bytes), cipher.final()]));
}

test('encrypted fMP4 needs no transmuxer, and answers come in order', async () => {
  const { Preparer } = await load('transmux.ts');
  const preparer = new Preparer('https://nowhere.example/transmux.wasm');
  const order = [];
  const jobs = [1_000_000, 1000, 10].map((length, index) => {
    const bytes = new Uint8Array(length).fill(index);
    const job = { ...FMP4, bytes: encrypted(bytes), decrypt: { method: 'aes128', key, iv } };
    return preparer.prepare(job).then((made) => {
      order.push(index);
      assert.deepEqual(made, { bytes });
    });
  });
  await Promise.all(jobs);
  assert.deepEqual(order, [0, 1, 2]);
});

test('a wrong key, and a key of another length, are said without showing it', async () => {
  const { Preparer } = await load('transmux.ts');
  const preparer = new Preparer();
  const bytes = encrypted(new Uint8Array(100));
  const wrong = new Uint8Array(16).fill(8);
  await assert.rejects(preparer.prepare({ ...FMP4, bytes, decrypt: { method: 'aes128', key: wrong, iv } }), /the key or the segment is wrong/);
  await assert.rejects(preparer.prepare({ ...FMP4, bytes, decrypt: { method: 'aes128', key: key.subarray(1), iv } }), /sixteen bytes, and this one 15/);
  // The next one does not suffer from it.
  assert.equal((await preparer.prepare({ ...FMP4, bytes })).bytes, bytes);
});

test('a transmuxer that is not there is an error of its own', async () => {
  const { Preparer, TransmuxerError } = await load('transmux.ts');
  const native = globalThis.fetch;
  globalThis.fetch = async () => new Response('', { status: 404 });
  const job = { ...FMP4, container: 'mpeg_ts', bytes: new Uint8Array(188) };
  await assert.rejects(new Preparer('https://cdn.example/transmux.wasm').prepare(job), (error) => {
    assert.ok(error instanceof TransmuxerError);
    assert.match(error.message, /is not at https:\/\/cdn\.example\/transmux\.wasm \(status 404\): serve `transmux\.wasm`/);
    return true;
  });
  globalThis.fetch = native;
});
