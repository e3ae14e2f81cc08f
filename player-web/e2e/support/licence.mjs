// A ClearKey licence server (W3C EME, 9.1.4) that asks for a bearer token, and that can be made to answer as servers should not. Its
// tokens are made by the application's own server, which is here, too: `/token?labels=audio,sd&life=5000`.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const CORS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'authorization, content-type', 'Access-Control-Max-Age': '600' };
const LABELS = ['all', 'audio', 'hd', 'sd'];

/**
 * - `add(keyFile)`: gives out these keys from now on.
 * - `keysOf(keyFile)`: what is in it, hexadecimal key ids to keys.
 * - `issue(labels, lifeMs)`: a token for keys with these labels.
 * - `fault(n)`: what goes wrong with the request of this number, counted from 0: a status, `hang`, `html`, `padded` (base64 as RFC 4648
 *   has it), or `wrong` (other keys than those of the stream); nothing, then it is answered as it should be.
 * - `delayMs`: before each answer.
 * - `requests`: `{ token, kids, at, status, answered }` of each; milliseconds of `performance.now()`.
 * - `secrets`: every token and key that it knows: strings and buffers.
 */
export async function startLicence() {
  const keys = new Map();
  const tokens = new Map();
  const secrets = new Set();
  const shared = { requests: [], secrets, delayMs: 0, fault: undefined, add, issue, keysOf, reset, close };

  function keysOf(keyFile) {
    const { keys: list } = JSON.parse(readFileSync(keyFile, 'utf8'));
    return Object.fromEntries(list.map(({ kid, key }) => [kid, key]));
  }

  function add(keyFile) {
    for (const { label, kid, key } of JSON.parse(readFileSync(keyFile, 'utf8')).keys) {
      const bytes = Buffer.from(key, 'hex');
      keys.set(kid, { label, bytes });
      secrets.add(bytes);
    }
  }

  function issue(labels = LABELS, lifeMs = 600_000) {
    const token = randomBytes(24).toString('base64url');
    tokens.set(token, { labels, expires: Date.now() + lifeMs });
    secrets.add(token);
    return token;
  }

  function reset() {
    shared.requests.length = 0;
    [shared.delayMs, shared.fault] = [0, undefined];
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    if (request.method === 'OPTIONS') return response.writeHead(204, CORS).end();
    if (url.pathname === '/token') return sendToken(url.searchParams, response);
    return license(request, response);
  });

  function sendToken(query, response) {
    const life = Number(query.get('life') ?? 600_000);
    const token = issue(query.get('labels')?.split(','), life);
    response.writeHead(200, { ...CORS, 'Content-Type': 'application/json' }).end(JSON.stringify({ token, expires: Date.now() + life }));
  }

  async function license(request, response) {
    const noted = { token: request.headers.authorization?.replace(/^Bearer /, ''), at: performance.now() };
    const fault = shared.fault?.(shared.requests.length);
    shared.requests.push(noted);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const asked = JSON.parse(Buffer.concat(chunks).toString());
    noted.kids = asked.kids.map((kid) => Buffer.from(kid, 'base64url').toString('hex'));
    if (fault === 'hang') return;
    await new Promise((resolve) => setTimeout(resolve, shared.delayMs));
    const right = tokens.get(noted.token);
    noted.status = typeof fault === 'number' ? fault : verdict(right);
    const given = noted.kids.filter((kid) => right?.labels.includes(keys.get(kid)?.label));
    if (noted.status === 200 && given.length === 0) noted.status = 403;
    noted.answered = performance.now();
    const type = fault === 'html' ? 'text/html' : 'application/json';
    response.writeHead(noted.status, { ...CORS, 'Cache-Control': 'no-store', 'Content-Type': type });
    if (noted.status !== 200) return response.end('{"error":"no"}');
    return response.end(fault === 'html' ? '<!doctype html><title>Sign in</title>' : licence(given, fault));
  }

  function verdict(right) {
    return right && right.expires > Date.now() ? 200 : 401;
  }

  function licence(kids, fault) {
    const coding = fault === 'padded' ? 'base64' : 'base64url';
    const entry = (kid) => {
      const { bytes } = keys.get(kid);
      const key = fault === 'wrong' ? Buffer.from(bytes).reverse() : bytes;
      return { kty: 'oct', kid: Buffer.from(kid, 'hex').toString(coding), k: key.toString(coding) };
    };
    return JSON.stringify({ keys: kids.map(entry), type: 'temporary' });
  }

  function close() {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  shared.url = `http://127.0.0.1:${server.address().port}/`;
  return shared;
}
