// Where things are: the checkout, the cache folder, cargo's target folder.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from './run.mjs';

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** What is built once and shared by every checkout of this user. */
export const cache = resolve(
  process.env.HEADGATE_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'headgate'),
);

/**
 * Cargo's target folder: in the cache, so that it survives a cleaned checkout. Cargo compares file times only, so two
 * checkouts must not share one; CI's clones, made one after the other and thus always newer, may.
 */
export const target = process.env.CARGO_TARGET_DIR
  ? resolve(root, process.env.CARGO_TARGET_DIR)
  : join(cache, 'target', process.env.CI ? 'ci' : `${basename(root)}-${digest(root).slice(0, 8)}`);

/** Cargo's target folder for Wasm: its compiler may be another one, and the two builds need not wait for each other. */
export const wasmTarget = join(target, 'wasm');

/** What every step that runs our own programs may rely on (see scripts/README.md). */
export const toolEnv = {
  // It would replace the flags of .cargo/config.toml, and no program would find DuckDB.
  RUSTFLAGS: undefined,
  HEADGATE_BIN_DIR: join(target, 'debug'),
  CHROMIUM: process.env.CHROMIUM || '/usr/bin/chromium',
  CHROMEDRIVER: process.env.CHROMEDRIVER || '/usr/bin/chromedriver',
};

/** For every cargo build: CI must not change what it tests; on a developer's machine a new dependency may enter Cargo.lock. */
export const locked = process.env.CI ? ['--locked'] : [];

/** The machine's own target triple, as rustc names it. */
export function hostTriple() {
  return ask('rustc', ['-vV'])?.match(/^host: (.+)$/m)?.[1];
}

/** The version of a crate in Cargo.lock, or undefined when the workspace does not use it. */
export function lockedVersion(crate) {
  const lock = readFileSync(join(root, 'Cargo.lock'), 'utf8');
  return lock.match(new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, 'm'))?.[1];
}

export function digest(data) {
  return createHash('sha256').update(data).digest('hex');
}
