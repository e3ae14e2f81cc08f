// headgate-origin in front of a folder.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The program. */
export const ORIGIN = join(process.env.HEADGATE_BIN_DIR ?? fileURLToPath(new URL('../../../target/debug', import.meta.url)), 'headgate-origin');

/** Serves `folder` at a port of its own. `url` ends with a slash; `log()` is what it has written to standard error. */
export async function startOrigin(folder, args = []) {
  if (!existsSync(ORIGIN)) {
    throw new Error(`${ORIGIN} is missing: build it with \`npm test -- --only bins\`, or name its folder in HEADGATE_BIN_DIR`);
  }
  const origin = spawn(ORIGIN, ['serve', '--root', folder, '--listen', '127.0.0.1:0', '--json', ...args], {
    env: { ...process.env, HEADGATE_LOG: 'trace' },
  });
  let log = '';
  origin.stderr.on('data', (text) => (log += text));
  const ended = new Promise((resolve) => origin.on('exit', resolve));
  const line = await Promise.race([
    new Promise((resolve) => createInterface(origin.stdout).once('line', resolve)),
    ended.then((code) => Promise.reject(new Error(`headgate-origin ended with ${code}: ${log}`))),
  ]);
  const { url } = JSON.parse(line);
  const set = async (what, value) => {
    const answer = await fetch(`${url}_origin/${what}`, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) });
    if (!answer.ok) throw new Error(await answer.text());
  };
  return {
    url,
    log: () => log,
    /** What goes wrong from now on. */
    fault: (...rules) => set('faults', rules),
    /** What the network is like from now on: `{ rate_kbps, latency_ms }`; without anything it has no limits. */
    shape: (shape) => set('shape', shape),
    close() {
      origin.kill();
      return ended;
    },
  };
}
