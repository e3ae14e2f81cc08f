// headgate-licence in front of the keys of test streams, and before it what the tests are to know and to change: what was asked, delays,
// faults, and the application's own server, which makes tokens: `/token?labels=audio,sd&life=5000`.

import { execFileSync, spawn } from 'node:child_process';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = join(process.env.HEADGATE_BIN_DIR ?? fileURLToPath(new URL('../../../target/debug', import.meta.url)), 'headgate-licence');
const CORS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'authorization, content-type', 'Access-Control-Max-Age': '600' };
const LABELS = ['all', 'audio', 'hd', 'sd'];
/** The server takes a token for so long after its end, for clocks differ. */
const LEEWAY_S = 5;
/** It takes none that lives longer. */
const MAX_LIFE_MS = 290_000;

/**
 * - `add(keyFile)`: gives out these keys from now on.
 * - `keysOf(keyFile)`: what is in it, hexadecimal key ids to keys.
 * - `issue(labels, lifeMs)`: a token for keys with these labels.
 * - `fault(n)`: what goes wrong with the request of this number, counted from 0, as headgate-licence calls it: a status, `timeout`, `html`,
 *   `padded`, `wrong-key`; nothing, then it is answered as it should be.
 * - `delayMs`: before each answer.
 * - `requests`: `{ token, kids, at, status, answered }` of each; milliseconds of `performance.now()`.
 * - `secrets`: every token and key that it knows: strings and buffers.
 */
export async function startLicence() {
  if (!existsSync(PROGRAM)) {
    throw new Error(`${PROGRAM} is missing: build it with \`npm test -- --only bins\`, or name its folder in HEADGATE_BIN_DIR`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'headgate-licences-'));
  const tokenKey = randomBytes(32).toString('hex');
  const named = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const database = ['--db', join(folder, 'licences.db'), '--master-key-file', named('master.key', randomBytes(32).toString('hex'))];
  const contents = [];
  const labels = new Map();
  const secrets = new Set([tokenKey]);
  const shared = { requests: [], secrets, delayMs: 0, fault: undefined, add, issue, keysOf, reset, close };

  function keysOf(keyFile) {
    const { keys: list } = JSON.parse(readFileSync(keyFile, 'utf8'));
    return Object.fromEntries(list.map(({ kid, key }) => [kid, key]));
  }

  function add(keyFile) {
    const content = `stream-${contents.length}`;
    execFileSync(PROGRAM, ['import', keyFile, '--content', content, ...database], { stdio: 'pipe' });
    contents.push(content);
    for (const { label, kid, key } of JSON.parse(readFileSync(keyFile, 'utf8')).keys) {
      labels.set(kid, label);
      secrets.add(Buffer.from(key, 'hex'));
    }
  }

  function issue(rights = LABELS, lifeMs = MAX_LIFE_MS) {
    const now = Date.now();
    const exp = lifeMs > 0 ? Math.ceil((now + Math.min(lifeMs, MAX_LIFE_MS)) / 1000) : Math.floor(now / 1000);
    const kids = [...labels].filter(([, label]) => rights.includes(label)).map(([kid]) => kid);
    const claims = { iss: 'headgate', aud: 'licences', sub: 'viewer', jti: randomUUID(), exp: exp - LEEWAY_S, content: contents, kids };
    const coded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${coded({ alg: 'HS256', typ: 'JWT' })}.${coded(claims)}`;
    const token = `${signed}.${createHmac('sha256', tokenKey).update(signed).digest('base64url')}`;
    secrets.add(token);
    return token;
  }

  function reset() {
    shared.requests.length = 0;
    [shared.delayMs, shared.fault] = [0, undefined];
  }

  const stop = new AbortController();
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    if (request.method === 'OPTIONS') return response.writeHead(204, CORS).end();
    if (url.pathname === '/token') return sendToken(url.searchParams, response);
    return pass(request, response).catch(() => response.destroy());
  });

  function sendToken(query, response) {
    const life = Number(query.get('life') ?? MAX_LIFE_MS);
    const token = issue(query.get('labels')?.split(','), life);
    response.writeHead(200, { ...CORS, 'Content-Type': 'application/json' }).end(JSON.stringify({ token, expires: Date.now() + life }));
  }

  async function pass(request, response) {
    const { authorization } = request.headers;
    const noted = { token: authorization?.replace(/^Bearer /, ''), at: performance.now() };
    const fault = shared.fault?.(shared.requests.length);
    shared.requests.push(noted);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    noted.kids = JSON.parse(body.toString()).kids.map((kid) => Buffer.from(kid, 'base64url').toString('hex'));
    await new Promise((resolve) => setTimeout(resolve, shared.delayMs));
    const headers = { 'Content-Type': 'application/json', ...(authorization && { Authorization: authorization }) };
    const query = fault ? `?fault=${fault}` : '';
    const answer = await fetch(licences + query, { method: 'POST', headers, body, signal: stop.signal });
    const licence = Buffer.from(await answer.arrayBuffer());
    noted.status = answer.status;
    noted.answered = performance.now();
    const kept = ['cache-control', 'content-type', 'retry-after'].map((name) => [name, answer.headers.get(name)]);
    response.writeHead(answer.status, { ...CORS, ...Object.fromEntries(kept.filter(([, value]) => value)) }).end(licence);
  }

  async function close() {
    stop.abort();
    server.closeAllConnections();
    program.kill();
    await Promise.all([ended, new Promise((resolve) => server.close(resolve))]);
    rmSync(folder, { recursive: true, force: true });
    // What it was told in confidence it keeps to itself.
    for (const secret of secrets) {
      const said = typeof secret === 'string' ? log.includes(secret) : log.includes(secret.toString('hex'));
      if (said) throw new Error('headgate-licence has logged a secret');
    }
  }

  const limits = ['--per-minute', '100000', '--faults', '--json'];
  const program = spawn(PROGRAM, ['serve', ...database, '--token-key', named('tokens.key', tokenKey), '--listen', '127.0.0.1:0', ...limits], {
    env: { ...process.env, HEADGATE_LOG: 'trace' },
  });
  let log = '';
  program.stderr.on('data', (text) => (log += text));
  const ended = new Promise((resolve) => program.on('exit', resolve));
  const line = await Promise.race([
    new Promise((resolve) => createInterface(program.stdout).once('line', resolve)),
    ended.then((code) => Promise.reject(new Error(`headgate-licence ended with ${code}: ${log}`))),
  ]);
  const { url: licences } = JSON.parse(line);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  shared.url = `http://127.0.0.1:${server.address().port}/`;
  return shared;
}
