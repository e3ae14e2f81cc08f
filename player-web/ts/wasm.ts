// Loads the engine: once a page, when the first player needs it, never at import.

import init, { Driver } from '../pkg/player_web.js';
import { HeadgateError } from './errors.js';
import type { WasmSource } from './options.js';

let loading: Promise<typeof Driver> | undefined;

/** The driver's class, once its Wasm runs. */
export function loadDriver(source?: WasmSource): Promise<typeof Driver> {
  loading ??= instantiate(source).catch((error: unknown) => {
    // The next player may try again.
    loading = undefined;
    throw error;
  });
  return loading;
}

async function instantiate(source?: WasmSource): Promise<typeof Driver> {
  await init({ module_or_path: await compile(source) });
  return Driver;
}

async function compile(source?: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source && typeof source === 'object' && !(source instanceof URL)) {
    return compiled(source, 'the `wasm` option');
  }
  // This literal, one level deep, is what bundlers look for.
  const url = source ? new URL(source, document.baseURI) : new URL('./player.wasm', import.meta.url);
  const name = `${url.origin}${url.pathname}`;
  const response = await fetch(url, { credentials: 'same-origin' }).catch((error: Error) => {
    throw new HeadgateError('internal', `the engine could not be fetched from ${name}: ${error.message}`);
  });
  if (!response.ok) {
    throw new HeadgateError('internal', `the engine is not at ${name} (status ${response.status}): ${ADVICE}`);
  }
  const type = response.headers.get('Content-Type')?.split(';')[0]?.trim();
  if (type === 'application/wasm' && 'compileStreaming' in WebAssembly) {
    return WebAssembly.compileStreaming(response).catch((error: Error) => {
      throw refused(name, error);
    });
  }
  return compiled(await response.arrayBuffer(), name);
}

const ADVICE = 'serve `player.wasm` of the package headgate there, or say where it is with `wasm` or `wasm-url`';

async function compiled(bytes: BufferSource, name: string): Promise<WebAssembly.Module> {
  const start = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, Math.min(16, bytes.byteLength))
    : new Uint8Array(bytes, 0, Math.min(16, bytes.byteLength));
  if (start[0] !== 0 || start[1] !== 0x61 || start[2] !== 0x73 || start[3] !== 0x6d) {
    const shown = String.fromCharCode(...start).replace(/[^\x20-\x7e]/g, '.');
    throw new HeadgateError('internal', `${name} is not WebAssembly, it begins with "${shown}": ${ADVICE}`);
  }
  return WebAssembly.compile(bytes).catch((error: Error) => {
    throw refused(name, error);
  });
}

function refused(name: string, error: Error): HeadgateError {
  const policy = /unsafe-eval|Content Security Policy/i.test(error.message)
    ? "; the page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'"
    : '';
  return new HeadgateError('internal', `the browser refused the engine ${name}: ${error.message}${policy}`);
}
