// Makes what no source buffer takes into what one takes: decrypts with the browser's own AES where there is one, and has the rest done
// by the transmuxer, a Wasm file of its own that is loaded when the first stream of a page needs it.

import init, { Transmuxer } from '../transmux/pkg/player_web_transmux.js';
import { compile } from './compile.js';
import type { WasmSource } from './options.js';

/** A response and what is to be done to it, as the driver says it (`src/prepare.rs`). */
export interface PrepareJob {
  /** The stream that it belongs to: of one kind, they come in order. */
  kind: 'audio' | 'text' | 'video';
  container: 'fmp4' | 'mpeg_ts' | 'packed_audio';
  /** It goes on where the one before ended. */
  continuous: boolean;
  /** Drop the sound. */
  mute: boolean;
  /** Take captions out of the pictures. */
  captions: boolean;
  bytes: Uint8Array;
  /** Its initialization section, where that is apart. */
  init?: Uint8Array;
  decrypt?: { method: 'aes128' | 'sample_aes'; key: Uint8Array; iv: Uint8Array };
}

export interface PreparedMedia {
  bytes: Uint8Array;
  /** What the transmuxer found, if it was needed. */
  facts?: object;
}

/** The transmuxer cannot be loaded. */
export class TransmuxerError extends Error {}

interface Engine {
  Transmuxer: typeof Transmuxer;
  memory: WebAssembly.Memory;
}

const ADVICE = 'serve `transmux.wasm` of the package headgate there, or say where it is with `transmuxWasm` or `transmux-wasm-url`';

let loading: Promise<Engine> | undefined;

/** The transmuxer's class, once its Wasm runs. */
function loadTransmuxer(source?: WasmSource): Promise<Engine> {
  loading ??= instantiate(source).catch((error: unknown) => {
    // The next load may try again.
    loading = undefined;
    throw new TransmuxerError(error instanceof Error ? error.message : String(error));
  });
  return loading;
}

async function instantiate(source?: WasmSource): Promise<Engine> {
  // This literal, one level deep, is what bundlers look for.
  const module = await compile(source || new URL('./transmux.wasm', import.meta.url), ADVICE);
  const { memory } = await init({ module_or_path: module });
  return { Transmuxer, memory };
}

/** Prepares what one load needs: what is remembered of its streams goes with it. */
export class Preparer {
  #wasm: WasmSource | undefined;
  #transmuxers = new Map<PrepareJob['kind'], Transmuxer>();
  /** Of each kind, the job that was begun last. */
  #last = new Map<PrepareJob['kind'], Promise<unknown>>();
  #closed = false;

  /** @param wasm the transmuxer, if it is not beside this script. */
  constructor(wasm?: WasmSource) {
    this.#wasm = wasm;
  }

  /** Answers in the order of the jobs of a kind. */
  prepare(job: PrepareJob): Promise<PreparedMedia> {
    // Decrypting does not have to wait for the one before.
    const decrypted = decrypt(job);
    // It may fail before anybody looks.
    decrypted.catch(() => undefined);
    const before = this.#last.get(job.kind) ?? Promise.resolve();
    const answer = before.then(() => decrypted).then((job) => this.#transmux(job));
    this.#last.set(job.kind, answer.catch(() => undefined));
    return answer;
  }

  close(): void {
    this.#closed = true;
    for (const transmuxer of this.#transmuxers.values()) transmuxer.free();
    this.#transmuxers.clear();
  }

  async #transmux(job: PrepareJob): Promise<PreparedMedia> {
    const { kind, container, continuous, mute, captions, bytes, decrypt } = job;
    if (container === 'fmp4' && !decrypt && !captions) return { bytes };
    const { Transmuxer, memory } = await loadTransmuxer(this.#wasm);
    if (this.#closed) throw new Error('the load has ended');
    let transmuxer = this.#transmuxers.get(kind);
    if (!transmuxer) this.#transmuxers.set(kind, (transmuxer = new Transmuxer()));
    transmuxer.begin(container, continuous, mute, captions);
    if (decrypt) transmuxer.decrypt(decrypt.method, decrypt.key, decrypt.iv);
    if (job.init) transmuxer.init(job.init);
    const facts = JSON.parse(transmuxer.prepare(bytes)) as object;
    const made = new Uint8Array(memory.buffer, transmuxer.at(), transmuxer.length()).slice();
    transmuxer.release();
    return { bytes: made, facts };
  }
}

/** Decrypts whole segments where the browser can: elsewhere (pages without TLS have no WebCrypto) the transmuxer does it. */
async function decrypt(job: PrepareJob): Promise<PrepareJob> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (job.decrypt?.method !== 'aes128' || !subtle) return job;
  const { key, iv } = job.decrypt;
  if (key.length !== 16) throw new Error(`a key has sixteen bytes, and this one ${key.length}`);
  const aes = await subtle.importKey('raw', key as BufferSource, 'AES-CBC', false, ['decrypt']);
  const algorithm = { name: 'AES-CBC', iv: iv as BufferSource };
  const plain = await subtle.decrypt(algorithm, aes, job.bytes as BufferSource).catch(() => {
    // Its own error has no words.
    throw new Error('it cannot be decrypted: the key or the segment is wrong');
  });
  return { ...job, bytes: new Uint8Array(plain), decrypt: undefined };
}
