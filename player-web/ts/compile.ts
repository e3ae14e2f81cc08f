// WebAssembly from a URL, from bytes, or compiled already, with errors that name it and the next step.

import type { WasmSource } from './options.js';

interface NodeProcess {
  getBuiltinModule?(name: 'node:fs'): { readFileSync(path: URL): BufferSource };
}

/** Node's own object, or another server's that has the like. */
const NODE = (globalThis as { process?: NodeProcess }).process;

/** @param advice what to do if it is not there */
export async function compile(source: WasmSource, advice: string): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source === 'object' && !(source instanceof URL)) return compiled(source, 'the `wasm` option', advice);
  const url = new URL(source, globalThis.document?.baseURI);
  if (url.protocol === 'file:' && NODE) return compiled(read(url, advice), url.pathname, advice);
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

/** A file, on a server. (An import of `node:fs`, static or not, would make bundlers for browsers look for it.) */
function read(url: URL, advice: string): BufferSource {
  const files = NODE?.getBuiltinModule?.('node:fs');
  if (!files) throw new Error('the engine cannot be read before Node 20.16: give its bytes as `wasm`');
  try {
    return files.readFileSync(url);
  } catch (error) {
    throw new Error(`the engine could not be read: ${(error as Error).message}: ${advice}`);
  }
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
