// The engine for browsers: player-web as Wasm with its JavaScript, in player-web/pkg/.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { scratchFolder, writeWhole } from './aside.mjs';
import { digest, locked, root, wasmTarget } from './paths.mjs';
import { Problem, say } from './report.mjs';
import { mustRun } from './run.mjs';
import { wasmBindgenFolder } from './setup/wasm-bindgen.mjs';
import { wasmToolchain } from './setup/wasm-target.mjs';

const PACKAGE = join(root, 'player-web/pkg');
const NAME = 'player_web';
// Named one by one: `--all-features` would emit instructions that browsers lack.
const OPTIMISE = [
  '--enable-bulk-memory',
  '--enable-bulk-memory-opt',
  '--enable-nontrapping-float-to-int',
  '--enable-sign-ext',
  '--enable-mutable-globals',
  '--enable-reference-types',
  '--enable-multivalue',
  '-Oz',
];

/** Builds player-web/pkg, unless it is made from the same Wasm already, and prints its size. */
export async function buildWasm() {
  const compiled = await compile();
  const { version, folder } = wasmBindgenFolder();
  const recipe = [digest(readFileSync(compiled)), version, ...OPTIMISE, toolVersion('binaryen')].join(' ');
  const stamp = join(PACKAGE, '.recipe');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== recipe) {
    const made = join(scratchFolder(), 'pkg');
    mkdirSync(made);
    await mustRun(join(folder, 'bin/wasm-bindgen'), ['--target', 'web', '--out-dir', made, '--out-name', NAME, compiled]);
    const wasm = join(made, `${NAME}_bg.wasm`);
    await mustRun(join(root, 'node_modules/.bin/wasm-opt'), [...OPTIMISE, wasm, '-o', wasm]);
    rmSync(PACKAGE, { recursive: true, force: true });
    cpSync(made, PACKAGE, { recursive: true });
    // Last: a folder without it counts as not built.
    writeWhole(stamp, recipe);
  }
  for (const [file, { raw, gzip }] of Object.entries(wasmSizes())) {
    say(`player-web/pkg/${file}: ${kilobytes(raw)} KB, ${kilobytes(gzip)} KB gzip`);
  }
}

/** Bytes of what a page loads, by file name. */
export function wasmSizes() {
  return Object.fromEntries(
    [`${NAME}_bg.wasm`, `${NAME}.js`].map((file) => {
      const bytes = readFileSync(join(PACKAGE, file));
      return [file, { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length }];
    }),
  );
}

/** Runs cargo with the compiler that has the Wasm target. */
export function wasmCargo(args, options = {}) {
  const toolchain = wasmToolchain();
  if (!toolchain) throw new Problem('no Rust compiler with a Wasm target was found', 'Run: npm run setup');
  const env = { ...toolchain.env, CARGO_TARGET_DIR: wasmTarget, RUSTFLAGS: undefined, ...options.env };
  return mustRun(toolchain.cargo, [...args, ...locked, '--target', 'wasm32-unknown-unknown'], { cwd: root, show: true, ...options, env });
}

async function compile() {
  await wasmCargo(['build', '-p', 'player-web', '--lib', '--profile', 'wasm']);
  return join(wasmTarget, 'wasm32-unknown-unknown/wasm', `${NAME}.wasm`);
}

function toolVersion(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function kilobytes(bytes) {
  return (bytes / 1000).toFixed(1);
}
