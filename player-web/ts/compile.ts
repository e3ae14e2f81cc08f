// WebAssembly from a URL, from bytes, or compiled already, with errors that name it and the next step.

import type { WasmSource } from './options.js';

const ON_NODE = Boolean((globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node);

/** @param advice what to do if it is not there */
export async function compile(source: WasmSource, advice: string): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source === 'object' && !(source instanceof URL)) return compiled(source, 'the `wasm` option', advice);
  const url = new URL(source, globalThis.document?.baseURI);
  if (url.protocol === 'file:' && ON_NODE) return compiled(await read(url, advice), url.pathname, advice);
  const name = `${url.origin}${url.pathname}`;
  const response = await fetch(url, { credentials: 'same-origin' }).catch((error: Error) => {
    throw new Error(`the engine could not be fetched from ${name}: ${error.message}`);
  });
  if (!response.ok) throw new Error(`the engine is not at ${name} (status ${response.status}): ${advice}`);
  const type = response.headers.get('Content-Type')?.split(';')[0]?.trim();
  if (type === 'application/wasm' && 'compileStreaming' in WebAssembly) {
    return WebAssembly.compileStreaming(response).catch((error: Error) => {
      throw refused(name, error);
    });
  }
  return compiled(await response.arrayBuffer(), name, advice);
}

/** A file, on a server. */
async function read(url: URL, advice: string): Promise<BufferSource> {
  // Not a literal: bundlers for browsers would look for it.
  const module = 'node:fs/promises';
  const { readFile } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ module)) as { readFile(url: URL): Promise<BufferSource> };
  return readFile(url).catch((error: Error) => {
    throw new Error(`the engine could not be read: ${error.message}: ${advice}`);
  });
}

async function compiled(bytes: BufferSource, name: string, advice: string): Promise<WebAssembly.Module> {
  const start = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, Math.min(16, bytes.byteLength))
    : new Uint8Array(bytes, 0, Math.min(16, bytes.byteLength));
  if (start[0] !== 0 || start[1] !== 0x61 || start[2] !== 0x73 || start[3] !== 0x6d) {
    const shown = String.fromCharCode(...start).replace(/[^\x20-\x7e]/g, '.');
    throw new Error(`${name} is not WebAssembly, it begins with "${shown}": ${advice}`);
  }
  return WebAssembly.compile(bytes).catch((error: Error) => {
    throw refused(name, error);
  });
}

function refused(name: string, error: Error): Error {
  const policy = /unsafe-eval|Content Security Policy/i.test(error.message)
    ? "; the page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'"
    : '';
  return new Error(`the browser refused the engine ${name}: ${error.message}${policy}`);
}
