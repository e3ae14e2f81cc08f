// A compiler with the wasm32-unknown-unknown target: the user's own Rust where it has the target or rustup can add it, else
// Debian's compiler with a standard library that is built here once.

import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../aside.mjs';
import { cache, digest } from '../paths.mjs';
import { working } from '../report.mjs';
import { ask, mustRun, run } from '../run.mjs';

const TRIPLE = 'wasm32-unknown-unknown';
const DEBIAN_RUSTC = '/usr/bin/rustc';
const LIBRARY = '/usr/lib/rustlib/src/rust/library/sysroot/Cargo.toml';

/**
 * How to build for Wasm on this machine, or undefined when the set-up has not provided it yet.
 * `HEADGATE_WASM=rustup` or `debian` asks for one of the two.
 * @returns {{ name: string, cargo: string, env: Record<string, string>, sysroot?: string } | undefined}
 */
export function wasmToolchain() {
  const wanted = process.env.HEADGATE_WASM;
  if (wanted !== 'debian') {
    const libraries = ask('rustc', ['--print', 'target-libdir', '--target', TRIPLE]);
    if (hasStd(libraries)) return { name: ask('rustc', ['--version']), cargo: 'cargo', env: {} };
  }
  if (wanted !== 'rustup') {
    const sysroot = debianSysroot();
    if (sysroot && existsSync(sysroot)) {
      const name = `${ask(DEBIAN_RUSTC, ['--version'])} of Debian`;
      return { name, cargo: '/usr/bin/cargo', env: { RUSTC: DEBIAN_RUSTC, RUSTUP_TOOLCHAIN: undefined }, sysroot };
    }
  }
  return undefined;
}

/** Asks rustup for the target. False when there is no rustup or it cannot reach its server. */
export async function addRustupTarget() {
  if (process.env.HEADGATE_WASM === 'debian' || !ask('rustup', ['--version'])) return false;
  return working('Wasm target', 'asking rustup', async () => {
    const env = { RUSTUP_MAX_RETRIES: '1' };
    const { ok } = await run('rustup', ['target', 'add', TRIPLE], { env, limitMs: 90_000 });
    return ok && wasmToolchain() !== undefined;
  });
}

/** Builds the standard library for Wasm from Debian's own source with Debian's compiler. */
export async function buildDebianStd() {
  await working('Wasm standard library', 'building with Debian’s compiler, once, some 2 min', () =>
    makeFolder(debianSysroot(), async (result, aside) => {
      await mustRun(
        '/usr/bin/cargo',
        ['build', '--release', '--locked', '--config', 'profile.release.debug=0', '--manifest-path', LIBRARY, '--target', TRIPLE],
        {
          cwd: aside,
          env: {
            CARGO_TARGET_DIR: join(aside, 'target'),
            RUSTC: DEBIAN_RUSTC,
            RUSTUP_TOOLCHAIN: undefined,
            // The library may use unstable features of the very compiler it is shipped with.
            RUSTC_BOOTSTRAP: '1',
            RUSTFLAGS: '-Zforce-unstable-if-unmarked -Cembed-bitcode=yes',
          },
        },
        'It needs the crate registry. If rustup works here: rustup target add wasm32-unknown-unknown',
      );
      const from = join(aside, 'target', TRIPLE, 'release/deps');
      const to = join(result, 'lib/rustlib', TRIPLE, 'lib');
      mkdirSync(to, { recursive: true });
      for (const name of readdirSync(from).filter((file) => file.endsWith('.rlib'))) {
        copyFileSync(join(from, name), join(to, name));
      }
    }),
  );
}

/** A compiler reads only a library that it built itself, hence the folder's name. */
function debianSysroot() {
  const version = ask(DEBIAN_RUSTC, ['-vV']);
  if (!version) return undefined;
  const release = version.match(/^release: (.+)$/m)?.[1];
  return join(cache, 'wasm-std', `${release}-${digest(version).slice(0, 8)}`);
}

function hasStd(folder) {
  return Boolean(folder) && existsSync(folder) && readdirSync(folder).some((name) => /^libstd-.*\.rlib$/.test(name));
}
