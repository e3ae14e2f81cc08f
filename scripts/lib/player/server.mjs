// The one server of the players' benchmarks: pages, the players' scripts in gzip, and the ladder, over one link.

import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../paths.mjs';
import { Link } from './link.mjs';
import { page } from './pages.mjs';

const TYPES = {
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.m4s': 'video/iso.segment',
  '.mpd': 'application/dash+xml',
  '.wasm': 'application/wasm',
};
const CODE = {
  '/headgate/': join(root, 'player-web/dist'),
  '/hls.js/': join(root, 'node_modules/hls.js/dist'),
  '/dashjs/': join(root, 'node_modules/dashjs/dist/modern/umd'),
  '/shaka/': join(root, 'node_modules/shaka-player/dist'),
  '/lib/': join(root, 'scripts/lib/player'),
};
const MEDIA = '/media/';

/** What is asked for again and again; segments are read each time. */
const compressed = new Map();

/**
 * @param folder the ladder
 * @param {Record<string, (body: Buffer) => { bytes: Buffer, type: string }>} [services] answers to what is posted to these paths
 * @returns `{ origin, link, requests, close }`; with `link.shape({ ..., mediaOnly: true })` scripts are not slowed down
 */
export async function startServer(folder, services = {}) {
  const link = new Link();
  const shared = { link, requests: [], mediaOnly: false };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });

  async function answer(request, response) {
    const url = new URL(request.url, 'http://x');
    const path = decodeURIComponent(url.pathname);
    shared.requests.push(path);
    const found = services[path] ? services[path](await bodyOf(request)) : find(url, path);
    if (!found) return response.writeHead(404).end();
    const { bytes, type, encoding } = found;
    const send = (from, to) => response.write(bytes.subarray(from, to));
    const headers = () =>
      response.writeHead(200, {
        'Cache-Control': 'max-age=3600',
        'Content-Length': bytes.length,
        'Content-Type': type,
        ...(encoding && { 'Content-Encoding': encoding }),
      });
    if (shared.mediaOnly && !path.startsWith(MEDIA)) {
      headers();
      return response.end(bytes);
    }
    const write = (from, to) => {
      if (!response.headersSent) headers();
      send(from, to);
    };
    await link.carry(bytes.length, write, () => response.destroyed);
    return response.end();
  }

  function find(url, path) {
    if (path === '/play') return { bytes: gzipSync(page(url.searchParams)), type: 'text/html; charset=utf-8', encoding: 'gzip' };
    if (path.startsWith(MEDIA)) return file(folder, path.slice(MEDIA.length));
    const prefix = Object.keys(CODE).find((candidate) => path.startsWith(candidate));
    if (!prefix) return undefined;
    if (!compressed.has(path)) {
      const plain = file(CODE[prefix], path.slice(prefix.length));
      compressed.set(path, plain && { ...plain, bytes: gzipSync(plain.bytes, { level: 6 }), encoding: 'gzip' });
    }
    return compressed.get(path);
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return Object.assign(shared, { origin, close });
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function file(folder, name) {
  const path = join(folder, normalize(`/${name}`));
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  return { bytes: readFileSync(path), type: TYPES[extname(path)] ?? 'application/octet-stream' };
}
