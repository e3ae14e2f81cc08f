// The whole set-up, in the order that costs the least time on two cores. Every part does nothing when it is done already.

import { aptInstall, packages } from './setup/apt.mjs';
import { writeCargoConfig } from './setup/cargo-config.mjs';
import { installDuckdb } from './setup/duckdb.mjs';
import { installNpmPackages } from './setup/npm.mjs';
import { installPeers } from './setup/peers.mjs';
import { checkRust } from './setup/rust.mjs';
import { makeRoom } from './setup/space.mjs';
import { installWasmBindgen } from './setup/wasm-bindgen.mjs';
import { addRustupTarget, buildDebianStd, wasmToolchain } from './setup/wasm-target.mjs';
import { cache } from './paths.mjs';
import { Problem, say, seconds } from './report.mjs';

export const LEVELS = ['run', 'test'];

/** @param {'run' | 'test'} level what the machine shall be able to do: run the demo, or all tests */
export async function setUp(level) {
  const begin = Date.now();
  checkNode();
  checkRust(level === 'test');
  if (process.platform !== 'linux') {
    throw new Problem(`Headgate is built on Linux; this is ${process.platform}`, 'Use Debian 12, also in a container or a virtual machine.');
  }
  say(`set-up (${level}; built once and kept in ${cache})`);
  makeRoom(level);

  const [, rustup] = await Promise.all([
    aptInstall(packages[level]),
    wasmToolchain() ? true : addRustupTarget(),
  ]);
  if (!rustup) await aptInstall(packages.wasm);

  // Two builds of the same length, and beside them what waits for the network.
  await all([
    wasmToolchain() ? undefined : buildDebianStd(),
    installWasmBindgen(),
    installNpmPackages().then(installDuckdb),
    ...(level === 'test' ? [installPeers()] : []),
  ]);
  writeCargoConfig();
  say(`set-up: ready after ${seconds(Date.now() - begin)}`);
}

/** As Promise.all, but lets the other parts finish what they cache before the first failure is told. */
async function all(parts) {
  const results = await Promise.allSettled(parts);
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 10)) {
    throw new Problem(`Node ${process.versions.node} is too old: Headgate needs 20.10`, 'Install Node 20 or newer: https://nodejs.org');
  }
}
