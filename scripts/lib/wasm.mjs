// The engine for browsers: player-web as Wasm with its JavaScript, in player-web/pkg/, the ABR alone in player-web/abr/pkg/,
// and the transmuxer in player-web/transmux/pkg/.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { scratchFolder, writeWhole } from './aside.mjs';
import { digest, locked, root, wasmTarget } from './paths.mjs';
import { Problem, say } from './report.mjs';
import { mustRun } from './run.mjs';
import { wasmBindgenFolder } from './setup/wasm-bindgen.mjs';
import { wasmToolchain } from './setup/wasm-target.mjs';

// Named one by one: `--all-features` would emit instructions that browsers lack. Browsers that know reference types, which
// wasm-bindgen uses, know SIMD as well, but for Safari, where it came with 16.4.
const FEATURES = [
  '--enable-bulk-memory',
  '--enable-bulk-memory-opt',
  '--enable-nontrapping-float-to-int',
  '--enable-sign-ext',
  '--enable-mutable-globals',
  '--enable-reference-types',
  '--enable-multivalue',
  '--enable-simd',
];
// The lowest kilobyte is the far end of the stack (rustc puts it first): no pointer that is computed ends there.
const OPTIMISER = [...FEATURES, '--low-memory-unused'];
// Twice finds a little more. What the two others leave out makes the file smaller and its gzip larger: it hides what is alike.
const SMALL = ['-Oz', '-Oz', '--one-caller-inline-max-function-size=0', '--skip-pass=local-cse', '--strip-producers'];
// Added to the flags that .cargo/config.toml may have.
// AES is for samples only (whole segments are WebCrypto's), so it may be small.
const SIMD = ['--config', `target.wasm32-unknown-unknown.rustflags=['-Ctarget-feature=+simd128', '--cfg=aes_backend_soft="compact"']`];

const MODULES = [
  { crate: 'player-web-module', name: 'player_web', folder: 'player-web/pkg', optimise: SMALL },
  // Small whatever is done, so it is made for speed.
  {
    crate: 'player-web-abr',
    folder: 'player-web/abr/pkg',
    optimise: ['-O3'],
    flags: ['--config', 'profile.wasm.opt-level=2', '--config', 'profile.wasm.package.planner.opt-level=2'],
  },
  { crate: 'player-web-transmux', folder: 'player-web/transmux/pkg', optimise: SMALL },
];

/** Builds them all, or those of some crates, except what is made from the same Wasm already, and prints their sizes. */
export async function buildWasm(crates = MODULES.map(({ crate }) => crate)) {
  for (const module of MODULES.filter(({ crate }) => crates.includes(crate))) {
    await build(module);
    for (const [file, { raw, gzip }] of Object.entries(sizes(module))) {
      say(`${module.folder}/${file}: ${kilobytes(raw)} KB, ${kilobytes(gzip)} KB gzip`);
    }
  }
}

async function build({ crate, name = fileName(crate), folder, optimise, flags: how = [] }) {
  // Alone: cargo leaves out link-time optimisation where a library is made in the same breath.
  const alone = ['rustc', '-p', crate, '--lib', '--crate-type', 'cdylib'];
  await wasmCargo([...alone, '--profile', 'wasm', ...SIMD, ...how]);
  const compiled = join(wasmTarget, 'wasm32-unknown-unknown/wasm', `${fileName(crate)}.wasm`);
  const { version, folder: tools } = wasmBindgenFolder();
  const flags = [...OPTIMISER, ...optimise];
  const recipe = [digest(readFileSync(compiled)), version, ...flags, toolVersion('binaryen')].join(' ');
  const result = join(root, folder);
  const stamp = join(result, '.recipe');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return;
  const made = join(scratchFolder(), 'pkg');
  mkdirSync(made);
  await mustRun(join(tools, 'bin/wasm-bindgen'), ['--target', 'web', '--out-dir', made, '--out-name', name, compiled]);
  const wasm = join(made, `${name}_bg.wasm`);
  await mustRun(join(root, 'node_modules/.bin/wasm-opt'), [...flags, wasm, '-o', wasm]);
  rmSync(result, { recursive: true, force: true });
  cpSync(made, result, { recursive: true });
  // Last: a folder without it counts as not built.
  writeWhole(stamp, recipe);
}

/** The bytes of a crate with raw exports, made as what ships is: for benchmarks. */
export async function bareWasm(crate, features) {
  const some = ['--no-default-features', '--features', features.join(',')];
  await wasmCargo(['build', '--quiet', '-p', crate, '--lib', '--profile', 'wasm', ...SIMD, ...some], { show: false });
  const compiled = join(wasmTarget, 'wasm32-unknown-unknown/wasm', `${fileName(crate)}.wasm`);
  const made = join(scratchFolder(), 'bare.wasm');
  await mustRun(join(root, 'node_modules/.bin/wasm-opt'), [...OPTIMISER, '-Oz', compiled, '-o', made]);
  return readFileSync(made);
}

/** Bytes of what a page loads, by file name. */
function sizes({ crate, name = fileName(crate), folder }) {
  return Object.fromEntries(
    [`${name}_bg.wasm`, `${name}.js`].map((file) => {
      const bytes = readFileSync(join(root, folder, file));
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

function fileName(crate) {
  return crate.replaceAll('-', '_');
}

function toolVersion(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function kilobytes(bytes) {
  return (bytes / 1000).toFixed(1);
}
