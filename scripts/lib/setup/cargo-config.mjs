// .cargo/config.toml (ignored by git): with it, plain `cargo build`, `test` and `clippy` work in the checkout.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../aside.mjs';
import { hostTriple, root, target } from '../paths.mjs';
import { duckdbFolder } from './duckdb.mjs';
import { wasmToolchain } from './wasm-target.mjs';

const PATH = join(root, '.cargo/config.toml');

export function writeCargoConfig() {
  const text = render({ target, duckdb: duckdbFolder(), host: hostTriple(), sysroot: wasmToolchain()?.sysroot });
  if (!existsSync(PATH) || readFileSync(PATH, 'utf8') !== text) writeWhole(PATH, text);
}

function render({ target, duckdb, host, sysroot }) {
  // The library is found at run time, too, without LD_LIBRARY_PATH.
  const rpath = list('-C', `link-arg=-Wl,-rpath,${duckdb}`);
  const wasm = sysroot ? `\n[target.wasm32-unknown-unknown]\nrustflags = ${list(`--sysroot=${sysroot}`)}\n` : '';
  return `# Written by scripts/setup at every run; edits are lost.

[build]
target-dir = ${JSON.stringify(target)}

[env]
DUCKDB_LIB_DIR = ${JSON.stringify(duckdb)}

[target.${host}]
rustflags = ${rpath}
rustdocflags = ${rpath}
${wasm}`;
}

function list(...items) {
  return `[${items.map((item) => JSON.stringify(item)).join(', ')}]`;
}
