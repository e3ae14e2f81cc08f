// What browsers load besides the engine: `npm run build` of the workspaces, when something they are made of has changed.
// (New files with the same content would make cargo compile the programs that embed them again.)

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from './aside.mjs';
import { digest, root } from './paths.mjs';
import { mustRun } from './run.mjs';

const STAMP = join(root, 'node_modules/.headgate-web');
const OUTPUT = 'dist';
const NOT_SOURCES = new Set([OUTPUT, 'benches', 'e2e', 'node_modules', 'target', 'test', 'tests']);

export async function buildWeb(options = {}) {
  const sources = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === `${sources} ${outputs()}`) return;
  await mustRun('npm', ['run', 'build', '--silent'], { cwd: root, ...options });
  writeWhole(STAMP, `${sources} ${outputs()}`);
}

function workspaces() {
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return workspaces.map((name) => join(root, name));
}

function fingerprint() {
  const files = [join(root, 'package.json'), join(root, 'package-lock.json'), ...workspaces().flatMap((folder) => [...walk(folder)])];
  return digest(files.map((path) => `${path} ${digest(readFileSync(path))}`).join('\n'));
}

/** Which results are there: one that was removed by hand is built again. */
function outputs() {
  return workspaces().map((folder) => Number(existsSync(join(folder, OUTPUT)))).join('');
}

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !NOT_SOURCES.has(entry.name)) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
