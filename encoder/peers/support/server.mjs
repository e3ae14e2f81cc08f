// Serves the streams, the players' scripts and one page for each player, on a port of its own.

import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { page } from './pages.mjs';

const repository = fileURLToPath(new URL('../../..', import.meta.url));
const TYPES = {
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.m4s': 'video/iso.segment',
  '.mp4': 'video/mp4',
  '.mpd': 'application/dash+xml',
  '.ts': 'video/mp2t',
  '.vtt': 'text/vtt',
  '.wasm': 'application/wasm',
};
const CODE = {
  '/headgate/': join(repository, 'player-web/dist'),
  '/hls.js/': join(repository, 'node_modules/hls.js/dist'),
  '/dashjs/': join(repository, 'node_modules/dashjs/dist/modern/umd'),
  '/shaka/': join(repository, 'node_modules/shaka-player/dist'),
};

/** @param folder what is served below /media/ */
export async function startServer(folder) {
  const requests = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    const path = decodeURIComponent(url.pathname);
    if (path.startsWith('/player/')) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      return response.end(page(path.slice('/player/'.length), url.searchParams));
    }
    requests.push(path);
    const [prefix, base] = Object.entries({ ...CODE, '/media/': folder }).find(([start]) => path.startsWith(start)) ?? [];
    const found = prefix && join(base, normalize(`/${path.slice(prefix.length)}`));
    if (!found || !existsSync(found) || !statSync(found).isFile()) return response.writeHead(404).end();
    send(request, response, found);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(request, response, path) {
  const { size } = statSync(path);
  const headers = { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream', 'Accept-Ranges': 'bytes' };
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined) {
    response.writeHead(200, { ...headers, 'Content-Length': size });
    return createReadStream(path).pipe(response);
  }
  const start = Number(from);
  const end = Math.min(to ? Number(to) : size - 1, size - 1);
  if (start > end) return response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
  response.writeHead(206, { ...headers, 'Content-Range': `bytes ${start}-${end}/${size}`, 'Content-Length': end - start + 1 });
  createReadStream(path, { start, end }).pipe(response);
}
