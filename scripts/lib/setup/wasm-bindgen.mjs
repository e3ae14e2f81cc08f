// The wasm-bindgen command, in exactly the version of the crate: the two speak an unstable format with each other.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../aside.mjs';
import { cache, lockedVersion } from '../paths.mjs';
import { Problem, working } from '../report.mjs';
import { mustRun } from '../run.mjs';

/** The folder with wasm-bindgen and wasm-bindgen-test-runner. */
export function wasmBindgenFolder() {
  const version = lockedVersion('wasm-bindgen');
  if (!version) throw new Problem('Cargo.lock does not name wasm-bindgen', 'Run: git checkout Cargo.lock');
  return { version, folder: join(cache, 'wasm-bindgen', version) };
}

export async function installWasmBindgen() {
  const { version, folder } = wasmBindgenFolder();
  if (existsSync(folder)) return;
  await working(`wasm-bindgen ${version}`, 'building, once, some 2 min', () =>
    makeFolder(folder, (result, aside) =>
      mustRun(
        'cargo',
        // Unoptimised: the build takes a third of the time, and the engine is small. Without --locked: its lock file lags.
        ['install', 'wasm-bindgen-cli', '--version', version, '--debug', '--no-track', '--root', result],
        {
          cwd: aside,
          env: { CARGO_TARGET_DIR: join(aside, 'target'), CARGO_PROFILE_DEV_DEBUG: '0', RUSTFLAGS: '' },
        },
        'It needs the crate registry (crates.io).',
      ),
    ),
  );
}
