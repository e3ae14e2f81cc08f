// A live stream as `headgate-encode live` makes and serves it.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { file, program, whereabouts } from './streams.mjs';

/**
 * Plays a clip over and over.
 *
 * - `hls`, `dash`: where the manifests are, as soon as they are.
 * - `kept`: where they are below `root`, when the stream is over.
 * - `end()`: the stream ends, and is served on.
 * - `stop()`: it is served no longer.
 */
export async function startLive(name, clip) {
  const args = ['live', '--input', clip, '--loop', '--stream', name, '--out', file('.'), '--ladder', '180p:200k,audio:64k', '--preset', 'ultrafast'];
  const encoder = spawn(program, [...args, '--listen', '127.0.0.1:0', '--linger-s', '120', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => encoder.on('exit', resolve));
  const heard = new Map();
  const told = [];
  createInterface(encoder.stdout).on('line', (line) => {
    const event = JSON.parse(line);
    told.push(event);
    for (const [name, hear] of heard) if (event.event === name) hear(event);
  });
  const event = (name) => new Promise((resolve, reject) => {
    const known = told.find((event) => event.event === name);
    if (known) return resolve(known);
    heard.set(name, resolve);
    return gone.then((code) => reject(new Error(`headgate-encode live ended with ${code}`)));
  });
  const { hls, dash } = await event('serving');
  await until(async () => (await fetch(hls)).ok && (await fetch(dash)).ok);
  return {
    hls,
    dash,
    kept: whereabouts(name),
    end: () => {
      encoder.kill('SIGINT');
      return event('ended');
    },
    stop: () => {
      encoder.kill('SIGKILL');
      return gone;
    },
  };
}

async function until(holds) {
  const end = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('the live stream does not begin');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
