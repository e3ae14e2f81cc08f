// `headgate/abr`: Headgate's rendition choice for other players. It asks nothing of a browser: the caller has the clock, the
// buffer and the requests. Importing it does nothing but define it.

import initWasm, { Engine } from '../abr/pkg/player_web_abr.js';
import { compile } from './compile.js';
import type { WasmSource } from './options.js';

export type { WasmSource } from './options.js';

const ALGORITHMS = ['bola', 'headgate', 'throughput'] as const;
const PRESETS = ['balanced', 'data-saver', 'low-latency', 'smooth'] as const;
const UTILITIES = ['bitrate', 'log-bitrate', 'quality'] as const;

export interface AbrSettings {
  /** Default `headgate`. */
  algorithm?: (typeof ALGORITHMS)[number];
  /** Where the costs below that are not set come from. Default `balanced`. */
  preset?: (typeof PRESETS)[number];
  /** What a segment's quality is measured by. Default: the preset's. */
  utility?: (typeof UTILITIES)[number];
  /** Throughput to assume at first, kbit/s; `null` starts with the lowest rendition. Default 3000. */
  initialThroughputKbps?: number | null;
  /** Never choose a rendition above this, kbit/s. Default: none, but 1500 in `data-saver`. */
  maxBandwidthKbps?: number | null;
  /** Never choose a rendition of more lines than this. Default: none, but 480 in `data-saver`. */
  maxHeight?: number | null;
  /** Let `shouldAbandon` say yes. Default true. */
  abandonment?: boolean;
  /** Segments to look ahead, 1 to 20. Default 8. */
  horizon?: number;
  /** Cost of a second without pictures, 0 to 100; the unit is the best quality for one segment. Default: the preset's. */
  stallCost?: number;
  /** Cost of a rise from the worst to the best quality, -1 to 100; below zero it is a reward. */
  riseCost?: number;
  /** Cost of a fall from the best to the worst quality, 0 to 100. */
  fallCost?: number;
}

export interface AbrRendition {
  /** Bit/s: the average if it is known, else the peak. */
  bitrate: number;
  /** Lines, for `maxHeight`. */
  height?: number;
}

/** What is known of segments. A row for each rendition, in the ladder's order, a number for each segment. */
export interface AbrSegments {
  /** Number of the segment that the rows begin with. Default 0. */
  first?: number;
  /** Bytes. `null` rows, holes, NaN and 0 are not known. */
  bytes?: readonly (ArrayLike<number> | null | undefined)[];
  /** VMAF or a like measure, 0 to 100. */
  quality?: readonly (ArrayLike<number> | null | undefined)[];
}

/** All times are milliseconds on one monotonic clock of the caller's, such as `performance.now()`. */
export interface AbrRequest {
  at: number;
  /** Which rendition it is for. */
  index: number;
}

export interface AbrProgress {
  at: number;
  /** Bytes so far, of this request. */
  bytes: number;
  /** When the first of them came, if that was not at the first call. */
  firstByteAt?: number;
}

export interface AbrDownload {
  at: number;
  /** Bytes of the body, of what came of it if it was given up. */
  bytes: number;
  /** Its rendition and its times, where they were not told by `onRequest` and `onProgress`. */
  index?: number;
  requestedAt?: number;
  firstByteAt?: number;
  /** It came from a cache on this machine: says nothing of the network. */
  cached?: boolean;
  /** It was given up, or failed. */
  abandoned?: boolean;
}

/** The moment of a choice. */
export interface AbrMoment {
  at: number;
  /** Seconds of media ahead of the playhead, with what is downloaded and not yet appended. */
  buffer: number;
  /** Seconds that the buffer is filled up to. Default 30. */
  bufferMax?: number;
  /** Seconds of the segment to choose for. */
  segmentDuration: number;
  /** The rendition of the segment before; none after a change of ladder, at the start. */
  last?: number | null;
  /** Segments left, with this one. None or Infinity: no end in sight. */
  remaining?: number | null;
  /** Playback has begun. Default: once something was downloaded. */
  started?: boolean;
  /** Number of the segment, for `setSegments`. */
  segment?: number;
}

/** What was learnt of a network. Plain data, for `localStorage`. */
export interface AbrMemory {
  /** Median throughput, kbit/s. */
  kbps: number;
  /** Standard deviation of the throughput's natural logarithm. */
  spread: number;
  /** When it was measured, milliseconds since 1970. */
  unixMs: number;
}

const ADVICE = 'serve `abr.wasm` of the package headgate there, or say where it is with `wasm`';
/** Of a table of segments; 8 MB of memory. */
const MAX_NUMBERS = 1_000_000;
const MAX_LADDER = 1000;
const ARGUMENT = 'the argument';

let loading: Promise<unknown> | undefined;
let ready = false;

/** Loads the engine, once: from beside this script if nothing else is said, by `fetch` or, on Node, from the file. */
export async function init(wasm?: WasmSource): Promise<void> {
  loading ??= instantiate(wasm).catch((error: unknown) => {
    // The next call may try again.
    loading = undefined;
    throw error;
  });
  await loading;
}

async function instantiate(wasm?: WasmSource): Promise<void> {
  // This literal, one level deep, is what bundlers look for.
  await initWasm({ module_or_path: await compile(wasm || new URL('./abr.wasm', import.meta.url), ADVICE) });
  ready = true;
}

/** `await init(wasm)` and `new Abr(settings)` in one. */
export async function createAbr({ wasm, ...settings }: AbrSettings & { wasm?: WasmSource } = {}): Promise<Abr> {
  await init(wasm);
  return new Abr(settings);
}

/**
 * Chooses renditions.
 *
 * It is told of the ladder and of every media request (of one kind of media: video), and asked before each. Renditions are
 * meant by their index in the ladder as it was given, in whatever order. Arguments of a wrong type throw a `TypeError`, settings
 * and ladders that cannot be meant a `RangeError`; numbers that playback may well produce (NaN, Infinity, a clock that goes
 * backwards) never throw.
 */
export class Abr {
  #engine: Engine | undefined;
  #length = 0;

  constructor(settings: AbrSettings = {}) {
    if (!ready) throw new Error('headgate/abr: the engine is not loaded: `await init()` first, or use createAbr()');
    object(settings, 'settings');
    known(settings, SETTINGS);
    const { abandonment = true, initialThroughputKbps, maxBandwidthKbps, maxHeight } = settings;
    this.#engine = new Engine(
      name(settings.algorithm, ALGORITHMS, 'algorithm'),
      name(settings.preset, PRESETS, 'preset'),
      name(settings.utility, UTILITIES, 'utility'),
      boolean(abandonment, 'abandonment'),
      Float64Array.of(
        initialThroughputKbps === null ? 0 : setting(initialThroughputKbps, 'initialThroughputKbps', 1, Infinity),
        setting(maxBandwidthKbps ?? undefined, 'maxBandwidthKbps', 0, Infinity),
        setting(maxHeight ?? undefined, 'maxHeight', 0, Infinity),
        setting(settings.horizon, 'horizon', 1, 20),
        setting(settings.stallCost, 'stallCost', 0, 100),
        setting(settings.riseCost, 'riseCost', -1, 100),
        setting(settings.fallCost, 'fallCost', 0, 100),
      ),
    );
  }

  /** The renditions that there are from now on. What was learnt of the network stays, tables of segments do not. */
  setLadder(renditions: readonly AbrRendition[]): void {
    const engine = this.#alive();
    const { length } = array(renditions, 'renditions');
    if (length === 0 || length > MAX_LADDER) throw new RangeError(`a ladder has 1 to ${MAX_LADDER} renditions, not ${length}`);
    const bitrates = Float64Array.from(renditions, (rendition, i) => amount(object(rendition, `renditions[${i}]`).bitrate, `renditions[${i}].bitrate`));
    const heights = Float64Array.from(renditions, ({ height = 0 }, i) => amount(height, `renditions[${i}].height`));
    engine.setLadder(bitrates, heights);
    this.#length = length;
  }

  /** Sizes and qualities of segments, in place of those before. Without them it reckons with bitrates. */
  setSegments(segments: AbrSegments): void {
    const engine = this.#alive();
    const { first = 0, bytes = [], quality = [] } = object(segments, ARGUMENT);
    number(first, 'first');
    const rows = { bytes: table(bytes, 'bytes', this.#length), quality: table(quality, 'quality', this.#length) };
    engine.setFirstSegment(first);
    rows.bytes.forEach((row, index) => engine.setSegmentBytes(index, row));
    rows.quality.forEach((row, index) => engine.setSegmentQuality(index, row));
  }

  /** A request goes out. */
  onRequest(request: AbrRequest): void {
    const { at, index } = object(request, ARGUMENT);
    this.#alive().onRequest(number(at, 'at'), this.#index(index, 'index'));
  }

  /** Bytes have come for it: every 100 to 250 ms, if that can be had. */
  onProgress(progress: AbrProgress): void {
    const { at, bytes, firstByteAt = NaN } = object(progress, ARGUMENT);
    this.#alive().onProgress(number(at, 'at'), number(bytes, 'bytes'), number(firstByteAt, 'firstByteAt'));
  }

  /** A request has ended: the one in flight, or one that is told of only now, with its times. */
  onDownload(download: AbrDownload): void {
    const { at, bytes, index, requestedAt = NaN, firstByteAt = NaN, cached = false, abandoned = false } = object(download, ARGUMENT);
    this.#alive().onDownload(
      number(at, 'at'),
      number(requestedAt, 'requestedAt'),
      number(firstByteAt, 'firstByteAt'),
      number(bytes, 'bytes'),
      this.#index(index, 'index'),
      boolean(cached, 'cached'),
      boolean(abandoned, 'abandoned'),
    );
  }

  /** Which rendition should the next segment have? */
  choose(moment: AbrMoment): number {
    const engine = this.#alive();
    if (this.#length === 0) throw new Error('headgate/abr: there is no ladder: call setLadder() first');
    return engine.choose(...this.#moment(moment));
  }

  /**
   * Should the request in flight be given up for the same segment of a lower rendition? Which one, or `null`. To be asked after
   * each `onProgress`, and every 250 ms or so while nothing comes. `totalBytes`: the Content-Length.
   */
  shouldAbandon(moment: AbrMoment & { totalBytes?: number }): number | null {
    const engine = this.#alive();
    const arguments_ = this.#moment(moment);
    const index = engine.abandon(...arguments_, number(moment.totalBytes ?? NaN, 'totalBytes'));
    return index < 0 ? null : index;
  }

  /** What it reckons the network to carry, bit/s. `null` before it has an idea. */
  get estimate(): number | null {
    const bps = this.#alive().estimate();
    return Number.isNaN(bps) ? null : bps;
  }

  /** The playhead jumped, or the buffer was emptied. */
  onSeek(): void {
    this.#alive().onSeek();
  }

  /** What it has learnt of the network, to be kept for the next session; `null` before that is worth keeping. */
  memory(): AbrMemory | null {
    const [kbps, spread] = this.#alive().memory();
    return kbps === undefined || spread === undefined ? null : { kbps, spread, unixMs: Date.now() };
  }

  /** What an earlier session has learnt. Whatever a storage gives may be passed on: false if it was nothing. */
  recall(memory: unknown): boolean {
    const engine = this.#alive();
    const { kbps, spread, unixMs } = (memory ?? {}) as Partial<AbrMemory>;
    if (![kbps, spread, unixMs].every(Number.isFinite)) return false;
    return engine.recall(kbps!, spread!, Math.max(0, Date.now() - unixMs!));
  }

  /** Gives its memory back at once; otherwise that happens some time after it was dropped. */
  free(): void {
    this.#engine?.free();
    this.#engine = undefined;
  }

  #alive(): Engine {
    if (!this.#engine) throw new Error('headgate/abr: this Abr was freed');
    return this.#engine;
  }

  /** An index for the engine: -1 is none. */
  #index(value: number | null | undefined, name: string): number {
    if (value === undefined || value === null) return -1;
    const index = number(value, name);
    return Number.isInteger(index) && index >= 0 && index < this.#length ? index : -1;
  }

  #moment(moment: AbrMoment): [number, number, number, number, number, number, number, number] {
    const { at, buffer, bufferMax = NaN, segmentDuration, last, remaining, started, segment = NaN } = object(moment, ARGUMENT);
    return [
      number(at, 'at'),
      number(buffer, 'buffer'),
      number(bufferMax, 'bufferMax'),
      number(segmentDuration, 'segmentDuration'),
      this.#index(last, 'last'),
      number(remaining ?? NaN, 'remaining'),
      started === undefined ? -1 : Number(boolean(started, 'started')),
      number(segment, 'segment'),
    ];
  }
}

const SETTINGS: readonly (keyof AbrSettings)[] = [
  'abandonment',
  'algorithm',
  'fallCost',
  'horizon',
  'initialThroughputKbps',
  'maxBandwidthKbps',
  'maxHeight',
  'preset',
  'riseCost',
  'stallCost',
  'utility',
];

function known(settings: object, names: readonly string[]): void {
  const unknown = Object.keys(settings).find((key) => !names.includes(key));
  if (unknown !== undefined) throw new RangeError(`there is no setting \`${unknown}\`; known are ${names.join(', ')}`);
}

function object<T extends object>(value: T, name: string): T {
  if (typeof value !== 'object' || value === null) throw wrong(name, 'an object', value);
  return value;
}

function array<T>(value: readonly T[], name: string): readonly T[] {
  if (!Array.isArray(value)) throw wrong(name, 'an array', value);
  return value;
}

function number(value: number, name: string): number {
  if (typeof value !== 'number') throw wrong(name, 'a number', value);
  return value;
}

function boolean(value: boolean, name: string): boolean {
  if (typeof value !== 'boolean') throw wrong(name, 'true or false', value);
  return value;
}

function amount(value: number, name: string): number {
  if (!(number(value, name) >= 0 && value < Infinity)) throw new RangeError(`${name} must be a number from 0, got ${value}`);
  return value;
}

/** A setting that may be left out: NaN for the engine. */
function setting(value: number | undefined, name: string, min: number, max: number): number {
  if (value === undefined) return NaN;
  if (number(value, name) >= min && value <= max) return value;
  throw new RangeError(`${name} must be from ${min}${max < Infinity ? ` to ${max}` : ''}, got ${value}`);
}

/** A name for the engine, which writes them with underscores: '' is its default. */
function name(value: string | undefined, names: readonly string[], what: string): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') throw wrong(what, 'a string', value);
  if (!names.includes(value)) throw new RangeError(`there is no ${what} \`${value}\`; known are ${names.join(', ')}`);
  return value.replace('-', '_');
}

function table(rows: AbrSegments['bytes'] & {}, name: string, length: number): Float64Array[] {
  if (array(rows, name).length > length) throw new RangeError(`${name} has ${rows.length} rows for a ladder of ${length}: call setLadder() first`);
  const filled = rows.map((row, i) => {
    if (row === null || row === undefined) return new Float64Array();
    if (typeof row !== 'object' || !Number.isInteger(row.length)) throw wrong(`${name}[${i}]`, 'an array of numbers', row);
    if (row.length > MAX_NUMBERS) throw tooLarge(name);
    // What is no number becomes NaN: not known.
    return Float64Array.from(row, (value) => (typeof value === 'number' ? value : NaN));
  });
  if (filled.reduce((sum, row) => sum + row.length, 0) > MAX_NUMBERS) throw tooLarge(name);
  return filled;
}

function tooLarge(name: string): RangeError {
  return new RangeError(`${name} holds more than ${MAX_NUMBERS} numbers: give the segments to come only, with \`first\``);
}

function wrong(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${expected}, got ${value === null ? 'null' : typeof value}`);
}
