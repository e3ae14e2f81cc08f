// DuckDB's engine as a prebuilt library, from npm: building it from source (cargo feature `bundled`) takes some 20 minutes.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../aside.mjs';
import { cache } from '../paths.mjs';
import { Problem, working } from '../report.mjs';
import { mustRun } from '../run.mjs';

/** The engine that the `duckdb` crate of Cargo.toml (1.10506.x) binds to. */
export const ENGINE = '1.5.6';
const PACKAGE_VERSION = `${ENGINE}-r.1`;
const PACKAGES = {
  x64: {
    name: 'linux-x64',
    integrity: 'sha512-IXcrZJE6kEqM0Z4wwdVnGBHX/frOS33VPNAwDXQ/Q+Fs84b058Qe94chrCCIcNJlG8Y3UHIUU4eBeCQxW5mN1Q==',
  },
  arm64: { name: 'linux-arm64' },
};

/** The folder with libduckdb.so. */
export function duckdbFolder() {
  const platform = PACKAGES[process.arch];
  if (!platform) throw new Problem(`there is no prebuilt DuckDB for ${process.arch}`, 'Build with: cargo build --features bundled');
  return join(cache, 'duckdb', `${PACKAGE_VERSION}-${platform.name}`);
}

export async function installDuckdb() {
  const folder = duckdbFolder();
  if (existsSync(folder)) return;
  const { name, integrity } = PACKAGES[process.arch];
  const spec = `@duckdb/node-bindings-${name}@${PACKAGE_VERSION}`;
  await working(`DuckDB ${ENGINE}`, 'downloading the library', () =>
    makeFolder(folder, async (result, aside) => {
      const printed = await mustRun('npm', ['pack', spec, '--silent'], { cwd: aside }, 'It needs the npm registry.');
      const archive = join(aside, printed.trim().split('\n').at(-1));
      const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
      if (integrity && found !== integrity) throw new Problem(`${spec} is not what it was: its checksum is ${found}`);
      await mustRun('tar', ['-xzf', archive, '-C', result, '--strip-components=1', '--wildcards', '*/libduckdb.so', '*/LICENSE*']);
    }),
  );
}
