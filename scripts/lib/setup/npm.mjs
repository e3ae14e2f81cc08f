// The JavaScript packages that package-lock.json names.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../aside.mjs';
import { digest, root } from '../paths.mjs';
import { working } from '../report.mjs';
import { mustRun } from '../run.mjs';

const STAMP = join(root, 'node_modules/.headgate-lock');

export async function installNpmPackages() {
  const wanted = digest(readFileSync(join(root, 'package-lock.json')));
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  await working('npm packages', 'installing', () =>
    // No package's own script runs: none of ours needs one, and some would download browsers.
    mustRun(
      'npm',
      ['ci', '--ignore-scripts'],
      { cwd: root },
      'If a package.json was changed: run `npm install` and commit package-lock.json with it.',
    ),
  );
  writeWhole(STAMP, wanted);
}
