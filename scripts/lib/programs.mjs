// The workspace's programs, built for speed.

import { join } from 'node:path';
import { locked, root, toolEnv } from './paths.mjs';
import { ask, mustRun } from './run.mjs';

/** `headgate-encode`: HEADGATE_ENCODE names one, without it a release build is made. */
export async function encoderProgram() {
  if (process.env.HEADGATE_ENCODE) return process.env.HEADGATE_ENCODE;
  await mustRun('cargo', ['build', '--release', '--quiet', ...locked, '-p', 'encoder'], { cwd: root, env: toolEnv });
  const { target_directory: target } = JSON.parse(ask('cargo', ['metadata', '--format-version', '1', '--no-deps', '--manifest-path', join(root, 'Cargo.toml')]));
  return join(target, 'release/headgate-encode');
}
