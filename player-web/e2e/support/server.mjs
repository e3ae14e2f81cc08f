// A static file server on a port of its own, with byte ranges, a rate limit, and faults.

import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.aac': 'audio/aac',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.m4s': 'video/iso.segment',
  '.mp4': 'video/mp4',
  '.mpd': 'application/dash+xml',
  '.ts': 'video/mp2t',
  '.ttml': 'application/ttml+xml',
  '.vtt': 'text/vtt',
  '.wasm': 'application/wasm',
};

/**
 * Serves `roots` (URL prefix → folder).
 *
 * - `faults`: functions of the path, tried in order; the first that returns something decides:
 *   `{ status, type, body }` answers that, `{ truncate: n }` ends the file after n bytes as if that were all of it, `{ garble: true }`
 *   makes noise of what is in its `mdat`.
 * - `bytesPerSecond`: the rate of all media together from now on; undefined is no limit.
 * - `cacheControl`: the header of every answer.
 * - `beacons`: what the collector at `/v1/beacons` took, with its Content-Type; `collectorFault()` may return a status instead.
 * - `requests`: what was asked for: `{ method, path }`.
 */
export async function startServer(roots) {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  const shared = { roots, faults: [], bytesPerSecond: undefined, cacheControl: 'no-store', requests: [], beacons: [] };
  let busyUntil = 0;

  async function answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    const body = await text(request);
    shared.requests.push({ method: request.method, path });
    response.setHeader('Cache-Control', shared.cacheControl);
    if (path === '/v1/beacons') {
      const status = shared.collectorFault?.();
      if (status) return response.writeHead(status).end();
      shared.beacons.push({ type: request.headers['content-type'], ...JSON.parse(body) });
      return response.writeHead(202).end();
    }
    const fault = shared.faults.map((decide) => decide(path)).find(Boolean);
    if (fault?.status) {
      return response.writeHead(fault.status, { 'Content-Type': fault.type ?? 'text/plain' }).end(fault.body ?? '');
    }
    const prefix = Object.keys(shared.roots).find((candidate) => path.startsWith(candidate));
    const file = prefix && join(shared.roots[prefix], normalize(`/${path.slice(prefix.length)}`));
    const size = file && (await stat(file).catch(() => undefined))?.size;
    if (size === undefined) return response.writeHead(404).end(`there is no ${path}`);
    if (fault?.garble) return response.writeHead(200, { 'Content-Type': TYPES[extname(file)] }).end(garble(await readFile(file)));
    return send(request, response, file, Math.min(size, fault?.truncate ?? size));
  }

  async function send(request, response, file, size) {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = range ? Number(range[1]) : 0;
    const end = Math.min(range?.[2] ? Number(range[2]) : size - 1, size - 1);
    if (range && start >= size) return response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
    response.writeHead(range ? 206 : 200, {
      'Accept-Ranges': 'bytes',
      'Content-Length': end - start + 1,
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      ...(range && { 'Content-Range': `bytes ${start}-${end}/${size}` }),
    });
    const media = file.startsWith(shared.roots['/stream/']);
    for await (const chunk of createReadStream(file, { start, end, highWaterMark: 4096 })) {
      if (response.destroyed) return undefined;
      if (shared.bytesPerSecond && media) await turn((chunk.length / shared.bytesPerSecond) * 1000);
      response.write(chunk);
    }
    return response.end();
  }

  /** Waits for the shared link to have carried what `ms` of it carry. */
  function turn(ms) {
    const now = performance.now();
    busyUntil = Math.max(now, busyUntil) + ms;
    return new Promise((resolve) => setTimeout(resolve, busyUntil - now));
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return Object.assign(shared, { origin, close });
}

/** The same boxes, with noise in place of media. */
function garble(bytes) {
  const from = bytes.indexOf('mdat') + 4;
  let noise = 1;
  for (let at = from; at < bytes.length; at++) {
    noise = (noise * 1_103_515_245 + 12_345) % 2_147_483_648;
    bytes[at] = noise >> 16;
  }
  return bytes;
}

async function text(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
