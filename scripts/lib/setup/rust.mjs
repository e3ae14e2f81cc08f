// Rust itself is the user's to install; here it is only looked at.

import { ask } from '../run.mjs';
import { Problem } from '../report.mjs';

const MINIMUM = [1, 90];

/** @param {boolean} lints whether rustfmt and clippy are needed, too */
export function checkRust(lints) {
  const version = ask('cargo', ['--version'])?.match(/cargo (\d+)\.(\d+)/);
  const found = version && [Number(version[1]), Number(version[2])];
  if (!found) {
    throw new Problem(
      'cargo was not found',
      'Install Rust with rustup (https://rustup.rs), open a new shell and run this again.\n' +
        'Without rustup, Debian 12 has it, too: apt-get install cargo-web rustc-web rust-web-clippy',
    );
  }
  if (found[0] < MINIMUM[0] || (found[0] === MINIMUM[0] && found[1] < MINIMUM[1])) {
    throw new Problem(`cargo ${found.join('.')} is too old: Headgate needs ${MINIMUM.join('.')}`, 'Run: rustup update stable');
  }
  for (const tool of lints ? ['fmt', 'clippy'] : []) {
    if (!ask('cargo', [tool, '--version'])) {
      throw new Problem(`cargo ${tool} was not found`, 'Run: rustup component add rustfmt clippy');
    }
  }
}
