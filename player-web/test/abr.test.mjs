// `headgate/abr` as it is shipped, on Node: choices, bad input, loading.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Abr, createAbr } from 'headgate/abr';
import { load } from './load.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const wasm = readFileSync(createRequire(import.meta.url).resolve('headgate/abr.wasm'));
const ALGORITHMS = ['bola', 'headgate', 'throughput'];
const KBPS = [3000, 300, 6000, 750, 1500];
const LADDER = KBPS.map((kbps) => ({ bitrate: kbps * 1000 }));
const ODD = [NaN, Infinity, -Infinity, -1, -0, 0, 1e-300, 1e9, 1e300, Number.MAX_VALUE, 2 ** 53, 0.5];

/** Downloads segments over a network of a steady rate, and gives up what it is told to give up. */
class Session {
  constructor(abr, { kbps, ladder = LADDER, segmentDuration = 4, bufferMax = 30 }) {
    Object.assign(this, { abr, kbps, ladder, segmentDuration, bufferMax, at: 1000, buffer: 0, last: null, abandoned: 0 });
  }

  moment() {
    const { at, buffer, bufferMax, segmentDuration, last } = this;
    return { at, buffer, bufferMax, segmentDuration, last };
  }

  pass(ms) {
    this.at += ms;
    this.buffer = Math.max(0, this.buffer - ms / 1000);
  }

  segment() {
    this.pass(Math.max(0, this.buffer + this.segmentDuration - this.bufferMax) * 1000);
    let index = this.abr.choose(this.moment());
    for (let lower; (lower = this.download(index)) !== null; index = lower) this.abandoned++;
    this.buffer += this.segmentDuration;
    return (this.last = index);
  }

  download(index) {
    const total = (this.ladder[index].bitrate * this.segmentDuration) / 8;
    this.abr.onRequest({ at: this.at, index });
    this.pass(50);
    for (let bytes = 0; ; ) {
      const ms = Math.min(250, (total - bytes) / (this.kbps / 8));
      this.pass(ms);
      bytes += (ms * this.kbps) / 8;
      const done = total - bytes < 1;
      this.abr.onProgress({ at: this.at, bytes });
      const lower = done ? null : this.abr.shouldAbandon({ ...this.moment(), totalBytes: total });
      if (done || lower !== null) {
        this.abr.onDownload({ at: this.at, bytes, abandoned: !done });
        return lower;
      }
    }
  }

  segments(n) {
    return Array.from({ length: n }, () => this.segment());
  }
}

async function abrWith(settings, ladder = LADDER) {
  const abr = await createAbr(settings);
  abr.setLadder(ladder);
  return abr;
}

test('every algorithm finds to the top of a fast network and to the bottom of a slow one', async () => {
  for (const algorithm of ALGORITHMS) {
    const fast = new Session(await abrWith({ algorithm }), { kbps: 60_000 });
    assert.deepEqual(fast.segments(40).slice(20), Array(20).fill(KBPS.indexOf(6000)), algorithm);
    const slow = new Session(await abrWith({ algorithm }), { kbps: 150 });
    assert.deepEqual(slow.segments(30).slice(10), Array(20).fill(KBPS.indexOf(300)), algorithm);
  }
});

test('a network that breaks down makes it give up a segment', async () => {
  const session = new Session(await abrWith(), { kbps: 20_000 });
  session.segments(20);
  session.kbps = 200;
  session.segments(3);
  assert.ok(session.abandoned > 0);
  assert.equal(KBPS[session.last], 300);
  const never = new Session(await abrWith({ abandonment: false }), { kbps: 20_000 });
  never.segments(20);
  never.kbps = 200;
  never.segments(3);
  assert.equal(never.abandoned, 0);
});

test('the estimate leaves out time to first byte and caches', async () => {
  const abr = await abrWith({ initialThroughputKbps: null });
  assert.equal(abr.estimate, null);
  for (let i = 0; i < 10; i++) {
    // Told at the end only.
    const requestedAt = i * 4000;
    abr.onDownload({ index: 0, requestedAt, firstByteAt: requestedAt + 900, at: requestedAt + 1900, bytes: 250_000 });
    abr.onDownload({ index: 0, requestedAt: requestedAt + 1900, at: requestedAt + 1901, bytes: 2_500_000, cached: true });
  }
  assert.ok(abr.estimate > 1.6e6 && abr.estimate < 2.4e6, String(abr.estimate));
});

test('limits and presets count', async () => {
  const ladder = LADDER.map((rendition, i) => ({ ...rendition, height: [720, 240, 1080, 360, 480][i] }));
  for (const [settings, kbps] of [
    [{ maxBandwidthKbps: 2000 }, 1500],
    [{ maxHeight: 360 }, 750],
    [{ preset: 'data-saver' }, 1500],
    [{ maxBandwidthKbps: 10 }, 300],
    [{ maxBandwidthKbps: null, maxHeight: null }, 6000],
  ]) {
    const session = new Session(await abrWith({ algorithm: 'throughput', ...settings }, ladder), { kbps: 60_000 });
    assert.equal(KBPS[session.segments(10).at(-1)], kbps, JSON.stringify(settings));
  }
});

test('the sizes of segments count', async () => {
  const choice = async (bytes) => {
    const session = new Session(await abrWith(), { kbps: 9000 });
    session.segments(20);
    session.abr.setSegments({ first: 100, bytes });
    return KBPS[session.abr.choose({ ...session.moment(), buffer: 10, segment: 100 })];
  };
  assert.equal(await choice([]), 6000);
  // The next segments of all but the lowest are twenty times as large as their bitrates say.
  const heavy = KBPS.map((kbps) => Array(8).fill(kbps * 500 * (kbps > 300 ? 20 : 1)));
  assert.ok((await choice(heavy)) < 1500);
  // A row of holes is as good as none.
  assert.equal(await choice(KBPS.map(() => [null, NaN, 'x', undefined, -5, 0])), 6000);
});

test('what was learnt of a network can be kept', async () => {
  const abr = await abrWith();
  for (const odd of [undefined, null, 7, 'x', {}, [], { kbps: NaN, spread: 0, unixMs: 0 }, { kbps: '1', spread: 1, unixMs: 1 }]) {
    assert.equal(abr.recall(odd), false, JSON.stringify(odd));
  }
  assert.equal(abr.recall({ kbps: -5, spread: 0.3, unixMs: Date.now() }), false);
  assert.equal(abr.recall({ kbps: 5000, spread: 0.3, unixMs: Date.now() - 60_000 }), true);
  new Session(abr, { kbps: 9000 }).segments(20);
  const memory = abr.memory();
  assert.ok(memory.kbps > 7000 && memory.kbps < 11_000, String(memory.kbps));
  // Another session begins with what this one has learnt.
  const next = await abrWith({ initialThroughputKbps: null });
  assert.equal(next.estimate, null);
  assert.equal(next.recall(JSON.parse(JSON.stringify(memory))), true);
  assert.ok(Math.abs(next.estimate / 1000 - memory.kbps) < 1, String(next.estimate));
});

test('any ladder will do', async () => {
  for (const algorithm of ALGORITHMS) {
    for (const bitrates of [[1e6], Array(5).fill(1e6), [0, 0], [0, 1e6], Array.from({ length: 45 }, (_, i) => 1e5 * 1.1 ** ((i * 17) % 45))]) {
      const ladder = bitrates.map((bitrate) => ({ bitrate }));
      const session = new Session(await abrWith({ algorithm }, ladder), { kbps: 1e6, ladder });
      for (const index of session.segments(30)) assert.ok(index >= 0 && index < ladder.length);
      assert.equal(bitrates[session.last], Math.max(...bitrates), `${algorithm} ${bitrates.length}`);
    }
  }
});

test('no number makes it throw or answer nonsense', async () => {
  // A generator of our own: the same numbers every time.
  let state = 12345;
  const random = (n) => Math.floor(((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * n);
  const pick = (values) => values[random(values.length)];
  const any = () => (random(2) ? pick(ODD) : random(1e6) / 10);
  const maybe = (value) => (random(3) ? value : undefined);
  for (const algorithm of ALGORITHMS) {
    for (let round = 0; round < 40; round++) {
      const ladder = Array.from({ length: 1 + random(45) }, () => ({ bitrate: pick([0, 1, 1e6, 1e6, random(4e7), 1e15]), height: random(2000) }));
      const abr = await abrWith({ algorithm }, ladder);
      const moment = () => ({
        at: any(),
        buffer: any(),
        bufferMax: maybe(any()),
        segmentDuration: any(),
        last: maybe(any()),
        remaining: maybe(any()),
        started: maybe(random(2) > 0),
        segment: maybe(any()),
      });
      for (let step = 0; step < 60; step++) {
        pick([
          () => abr.onRequest({ at: any(), index: random(ladder.length + 2) }),
          () => abr.onProgress({ at: any(), bytes: any(), firstByteAt: maybe(any()) }),
          () => abr.onDownload({ at: any(), bytes: any(), index: maybe(any()), requestedAt: maybe(any()), firstByteAt: maybe(any()), cached: random(4) === 0, abandoned: random(2) > 0 }),
          () => abr.setSegments({ first: any(), bytes: ladder.map(() => [any(), any(), any()]), quality: [[any(), any()]] }),
          () => abr.onSeek(),
          () => abr.recall({ kbps: any(), spread: any(), unixMs: any() }),
          () => {
            const index = abr.choose(moment());
            assert.ok(Number.isInteger(index) && index >= 0 && index < ladder.length, `${algorithm} chose ${index}`);
          },
          () => {
            const index = abr.shouldAbandon({ ...moment(), totalBytes: maybe(any()) });
            assert.ok(index === null || (index >= 0 && index < ladder.length), `${algorithm} fled to ${index}`);
          },
        ])();
        assert.ok(abr.estimate === null || abr.estimate >= 0);
      }
    }
  }
});

test('a session goes on after each odd number', async () => {
  const session = new Session(await abrWith(), { kbps: 20_000 });
  for (const odd of ODD) {
    session.abr.onProgress({ at: odd, bytes: odd });
    session.abr.choose({ at: odd, buffer: odd, segmentDuration: odd });
    session.abr.onDownload({ at: odd, bytes: 0, abandoned: true });
    session.segments(2);
  }
  assert.deepEqual(session.segments(40).slice(30), Array(10).fill(KBPS.indexOf(6000)));
});

test('what cannot be meant is refused by name', async () => {
  for (const [settings, kind, message] of [
    [{ algorithm: 'best' }, RangeError, /no algorithm `best`; known are bola, headgate, throughput/],
    [{ algorithm: 7 }, TypeError, /algorithm must be a string, got number/],
    [{ preset: 'fast' }, RangeError, /no preset `fast`/],
    [{ utility: 'ssim' }, RangeError, /no utility `ssim`/],
    [{ horizon: 21 }, RangeError, /horizon must be from 1 to 20, got 21/],
    [{ horizon: '5' }, TypeError, /horizon must be a number, got string/],
    [{ stallCost: NaN }, RangeError, /stallCost must be from 0 to 100, got NaN/],
    [{ initialThroughputKbps: 0 }, RangeError, /initialThroughputKbps/],
    [{ abandonment: 1 }, TypeError, /abandonment must be true or false, got number/],
    [{ maxBitrate: 1 }, RangeError, /no setting `maxBitrate`; known are abandonment,/],
  ]) {
    await assert.rejects(createAbr(settings), (error) => error instanceof kind && message.test(error.message), JSON.stringify(settings));
  }
  const abr = await createAbr({ preset: 'low-latency', utility: 'log-bitrate', stallCost: 2, riseCost: -0.5, fallCost: 1, horizon: 8 });
  const moment = { at: 0, buffer: 0, segmentDuration: 4 };
  assert.throws(() => abr.choose(moment), /no ladder: call setLadder\(\) first/);
  assert.equal(abr.shouldAbandon(moment), null);
  for (const [call, kind, message] of [
    [() => abr.setLadder([]), RangeError, /a ladder has 1 to 1000 renditions, not 0/],
    [() => abr.setLadder({ length: 1 }), TypeError, /renditions must be an array/],
    [() => abr.setLadder([1e6]), TypeError, /renditions\[0\] must be an object, got number/],
    [() => abr.setLadder([{ bitrate: 1e6 }, { bitrate: NaN }]), RangeError, /renditions\[1\]\.bitrate must be a number from 0, got NaN/],
    [() => abr.setLadder([{ bitrate: '1' }]), TypeError, /renditions\[0\]\.bitrate must be a number, got string/],
    [() => abr.setSegments({ bytes: [[1]] }), RangeError, /bytes has 1 rows for a ladder of 0/],
    [() => abr.onRequest(), TypeError, /the argument must be an object, got undefined/],
    [() => abr.onRequest({ at: '0', index: 0 }), TypeError, /at must be a number, got string/],
    [() => abr.onProgress({ at: 0 }), TypeError, /bytes must be a number, got undefined/],
    [() => abr.onDownload({ at: 0, bytes: 0, cached: 'no' }), TypeError, /cached must be true or false, got string/],
    [() => abr.choose.call(abr, null), Error, /no ladder/],
  ]) {
    assert.throws(call, (error) => error instanceof kind && message.test(error.message), String(call));
  }
  abr.setLadder(LADDER);
  assert.throws(() => abr.choose({ buffer: 0, segmentDuration: 4 }), /at must be a number, got undefined/);
  assert.throws(() => abr.choose({ ...moment, started: 1 }), /started must be true or false/);
  assert.throws(() => abr.setSegments({ bytes: [{ length: 1e9 }] }), /more than 1000000 numbers/);
  assert.throws(() => abr.setSegments({ bytes: [3] }), /bytes\[0\] must be an array of numbers/);
  assert.ok(abr.choose(moment) in KBPS);
  abr.free();
  abr.free();
  assert.throws(() => abr.choose(moment), /this Abr was freed/);
});

test('it is loaded from bytes or a module, and says what is wrong with anything else', async () => {
  for (const source of [wasm, new WebAssembly.Module(wasm)]) {
    const { createAbr } = await load('abr.ts');
    assert.equal((await createAbr({ wasm: source })).estimate, 3e6);
  }
  const { Abr, createAbr, init } = await load('abr.ts');
  assert.throws(() => new Abr(), /the engine is not loaded: `await init\(\)` first, or use createAbr\(\)/);
  await assert.rejects(init(new Uint8Array([60, 33, 100])), /the `wasm` option is not WebAssembly, it begins with "<!d": serve `abr\.wasm`/);
  await assert.rejects(init(new URL('./nowhere.wasm', import.meta.url)), /could not be read: ENOENT.*nowhere\.wasm/);
  // A failed load does not stick.
  assert.equal((await createAbr({ wasm })).estimate, 3e6);
});

test('importing it loads nothing', () => {
  const script = `
    globalThis.fetch = () => { throw new Error('fetched'); };
    WebAssembly.compile = WebAssembly.instantiate = () => { throw new Error('compiled'); };
    const { Abr, createAbr, init } = await import('headgate/abr');
    console.log([Abr, createAbr, init].map((f) => typeof f).join());
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: here, encoding: 'utf8', timeout: 30_000 });
  assert.equal(out.trim(), 'function,function,function');
});

test('two of them know nothing of each other', async () => {
  const [one, other] = [await abrWith(), await abrWith()];
  new Session(one, { kbps: 60_000 }).segments(20);
  assert.equal(other.estimate, 3e6);
  assert.ok(one.estimate > 6e6);
  assert.ok(one instanceof Abr);
});
