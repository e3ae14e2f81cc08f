// The networks of the comparison: recorded ones where they are, else made up by the simulator.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from '../aside.mjs';
import { root } from '../paths.mjs';
import { mustRun } from '../run.mjs';

const RECORDED = join(root, '../shared/traces');
/** Three whose rates are within the ladder, and one where all of it fits: there the first seconds decide. */
const FAMILIES = process.env.HEADGATE_BENCH_NETWORKS?.split(',') ?? ['norway_3g', 'puffer', 'oboe', 'ghent_4g'];
const KINDS = ['3g', 'congested', 'lte'];
/** What the figures need of a trace; the rest is not looked at. */
const SECONDS = 120;
/** As in the simulator, where a trace does not know it. */
const RTT_MS = 80;

/** `[{ name, points, rttMs, kbps }]`: of each family the trace whose mean is the median. */
export async function networks() {
  if (existsSync(RECORDED)) return FAMILIES.map((family) => typical(join(RECORDED, family), family));
  const folder = scratchFolder();
  const options = ['--kind', KINDS.join(','), '--count', '9', '--seconds', String(SECONDS), '--out', folder];
  await mustRun('cargo', ['run', '--quiet', '-p', 'simulator', '--bin', 'headgate-sim', '--', 'generate', ...options], { cwd: root });
  return KINDS.map((kind) => typical(join(folder, kind), `made-up ${kind}`));
}

function typical(folder, family) {
  const traces = readdirSync(folder)
    .filter((name) => name.endsWith('.csv'))
    .map((name) => read(join(folder, name)))
    .filter(({ ms }) => ms >= SECONDS * 1000)
    .sort((a, b) => a.kbps - b.kbps);
  return { name: family, ...traces[Math.floor(traces.length / 2)] };
}

/** The beginning of a trace. */
function read(path) {
  const points = [];
  let ms = 0;
  let kilobits = 0;
  let latency = 0;
  for (const line of readFileSync(path, 'utf8').trim().split('\n').slice(1)) {
    const [duration, kbps, rtt] = line.split(',').map(Number);
    if (ms >= SECONDS * 1000) break;
    points.push({ ms: duration, kbps });
    ms += duration;
    kilobits += (kbps * duration) / 1000;
    latency = Math.max(latency, rtt);
  }
  return { points, ms, kbps: Math.round((kilobits / ms) * 1000), rttMs: latency || RTT_MS };
}
