// The demo's program: started on a free port with a data folder of its own, and stopped as a user stops it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const PROGRAM = join(process.env.HEADGATE_BIN_DIR ?? join(ROOT, 'target/debug'), 'demo');

/** A small clip and a small ladder: the tests are about the way through all rooms, not about pictures. */
export function small(seconds) {
  return ['--sample-seconds', String(seconds), '--sample-size', '640x360', '--ladder', '360p:800k,240p:400k,144p:150k,audio:64k'];
}

const running = new Set();
const killAll = () => running.forEach((child) => child.kill('SIGKILL'));
// Whatever fails: nothing that was started outlives the tests of a file, or keeps them from ending.
after(killAll);
process.once('exit', killAll);

/** A folder that is removed at the end of the test. */
export function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-demo-'));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Runs the demo; `lines` are the JSON objects it has printed, `ended` is how it ended. */
export function run(args, { env } = {}) {
  if (!existsSync(PROGRAM)) {
    throw new Error(`${PROGRAM} is missing: build it with \`npm test -- --only bins\`, or name its folder in HEADGATE_BIN_DIR`);
  }
  const child = spawn(PROGRAM, args, { env: { ...process.env, PORT: undefined, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const lines = [];
  const listeners = new Set();
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line.startsWith('{') ? JSON.parse(line) : line);
    listeners.forEach((listener) => listener());
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal, stderr });
      listeners.forEach((listener) => listener());
    });
  });
  return {
    lines,
    ended,
    kill: (signal) => child.kill(signal),
    /** Resolves when a printed object passes `test`; rejects when the program ends before. */
    printed(test, limitMs = 120_000) {
      return within(limitMs, `nothing printed matches ${test}`, new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find((line) => typeof line === 'object' && test(line));
          if (found) return resolve(found);
          if (!running.has(child)) reject(new Error(`the demo ended: ${stderr}`));
        };
        listeners.add(look);
        look();
      }));
    },
  };
}

/** Starts the demo and waits until it listens. */
export async function startDemo(data, args) {
  const program = run(['--port', '0', '--data', data, '--json', ...args]);
  const { url, demo } = await program.printed(({ event }) => event === 'listening');
  return {
    ...program,
    url,
    demo,
    /** As Ctrl-C or a service manager would: it must end by itself, and well. */
    async stop() {
      program.kill('SIGTERM');
      const { code, signal, stderr } = await within(20_000, 'the demo does not end', program.ended);
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    },
    shape: (request) => put(`${url}videos/_origin/shape`, request),
    faults: (...rules) => put(`${url}videos/_origin/faults`, rules),
    json: (path) => getJson(url + path),
  };
}

async function put(url, value) {
  const response = await fetch(url, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(value),
    signal: AbortSignal.timeout(10_000),
  });
  assert.ok(response.ok, `${url}: ${response.status} ${await response.text()}`);
}

async function getJson(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  assert.ok(response.ok, `${url}: ${response.status}`);
  return response.json();
}

/** Asks until the answer passes; the last answer is in the error. */
export async function eventually(what, ask, test, limitMs = 20_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (test(answer)) return answer;
    if (Date.now() > end) throw new Error(`${what}: not in ${limitMs / 1000} s; at last ${JSON.stringify(answer, null, 1)?.slice(0, 4000)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export function within(limitMs, message, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${message} within ${limitMs / 1000} s`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
