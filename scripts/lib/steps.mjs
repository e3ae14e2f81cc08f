// The steps of `npm test`, in the order that finds cheap mistakes first.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { locked, root, toolEnv } from './paths.mjs';
import { ask, mustRun } from './run.mjs';
import { peerProgram } from './setup/peers.mjs';
import { wasmBindgenFolder } from './setup/wasm-bindgen.mjs';
import { buildWasm, wasmCargo } from './wasm.mjs';
import { buildWeb } from './web.mjs';

/** Returned by a step that this machine or this state of the tree has no use for. */
export class Skipped {
  constructor(why) {
    this.why = why;
  }
}


// All but benchmarks, which clippy compiles. The programs are built with the tests, because cargo unifies features over what
// it is asked to build: alone, half of their dependencies would be compiled again.
const TARGETS = ['--workspace', '--lib', '--bins', '--tests', '--examples'];

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} what
 * @property {string[]} [needs] steps that must have passed
 * @property {boolean} [tests] whether it runs tests: then one that counts none has failed
 * @property {() => Promise<string | void | Skipped>} run returns what was printed; throws a Problem when it fails
 */

/** @type {Step[]} */
export const steps = [
  {
    name: 'scripts',
    what: 'unit tests of scripts/',
    tests: true,
    run: () => shown(process.execPath, ['--test', '--test-reporter=spec', 'scripts/lib/']),
  },
  { name: 'fmt', what: 'cargo fmt --check', run: () => cargo(['fmt', '--all', '--check']) },
  { name: 'licences', what: 'cargo deny: licences, bans, sources', run: licences },
  // Before any Rust: the analytics server embeds its dashboard.
  { name: 'wasm', what: 'the engine for browsers', run: buildWasm },
  { name: 'web', what: 'npm run build', needs: ['wasm'], run: () => buildWeb({ show: true }) },
  { name: 'typecheck', what: 'npm run typecheck', needs: ['wasm', 'web'], run: () => npm('typecheck') },
  { name: 'unit', what: 'npm run test:unit', needs: ['wasm', 'web'], run: () => npm('test:unit') },
  {
    name: 'clippy',
    what: 'cargo clippy, warnings denied',
    run: () => cargo(['clippy', ...locked, '--workspace', '--all-targets', '--', '-D', 'warnings']),
  },
  {
    name: 'doc',
    what: 'cargo doc, warnings denied',
    run: () => cargo(['doc', ...locked, '--workspace', '--no-deps'], { RUSTDOCFLAGS: '-D warnings' }),
  },
  { name: 'rust', what: 'Rust tests, by nextest if it is installed', tests: true, run: rustTests },
  { name: 'doctest', what: 'the examples in Rust documentation', run: () => cargo(['test', ...locked, '--workspace', '--doc', '--no-fail-fast']) },
  { name: 'bins', what: 'the programs that the end-to-end tests run', run: () => cargo(['build', ...locked, ...TARGETS]) },
  { name: 'browser', what: 'Rust tests of player-web in Chromium', tests: true, run: browserTests },
  { name: 'e2e', what: 'npm run test:e2e', needs: ['bins', 'wasm', 'web'], run: () => npm('test:e2e') },
];

function shown(command, args, env = {}) {
  const peers = { HEADGATE_FFMPEG_NEW: peerProgram('ffmpeg'), HEADGATE_SHAKA_PACKAGER: peerProgram('packager') };
  const colours = process.stdout.isTTY ? { CARGO_TERM_COLOR: 'always', FORCE_COLOR: '1' } : {};
  return mustRun(command, args, { cwd: root, show: true, env: { ...colours, ...toolEnv, ...peers, ...env } });
}

function cargo(args, env) {
  return shown('cargo', args, env);
}

function npm(script) {
  return shown('npm', ['run', script, '--silent']);
}

function rustTests() {
  const runner = ask('cargo', ['nextest', '--version']) ? ['nextest', 'run'] : ['test'];
  return cargo([...runner, ...locked, ...TARGETS, '--no-fail-fast']);
}

async function licences() {
  if (!ask('cargo', ['deny', '--version'])) return new Skipped('cargo-deny is not installed (cargo install cargo-deny)');
  // Not `advisories`: they come from a server, and a new one is no fault of the commit under test.
  return cargo(['deny', ...locked, 'check', 'licenses', 'bans', 'sources']);
}

async function browserTests() {
  if (!existsSync(join(root, 'player-web/tests/web.rs'))) return new Skipped('there is no player-web/tests/web.rs');
  const runner = join(wasmBindgenFolder().folder, 'bin/wasm-bindgen-test-runner');
  return wasmCargo(['test', '-p', 'player-web', '--test', 'web'], {
    env: {
      ...toolEnv,
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: runner,
      WASM_BINDGEN_TEST_TIMEOUT: '120',
    },
  });
}
