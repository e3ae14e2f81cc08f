// Bundles the page into dist/, which the demo serves. Everything comes from there: no CDN.

import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const player = dirname(createRequire(import.meta.url).resolve('headgate/player.wasm'));
const wasm = join(player, 'player.wasm');

if (!existsSync(wasm)) {
  console.error(`${wasm} is missing: run \`npm run build:wasm && npm run build\` in the repository first`);
  process.exit(1);
}

// Made aside, so that a demo that runs never finds half a page.
const made = join(here, `.dist-${process.pid}`);
mkdirSync(made);
try {
  await build({
    absWorkingDir: here,
    entryPoints: { app: 'src/app.ts', style: 'src/style.css' },
    outdir: made,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    sourcemap: true,
    logLevel: 'warning',
  });
  for (const file of ['index.html', 'icon.svg']) copyFileSync(join(here, 'src', file), join(made, file));
  // The script looks for them beside itself.
  for (const file of ['player.wasm', 'transmux.wasm']) copyFileSync(join(player, file), join(made, file));
  rmSync(join(here, 'dist'), { recursive: true, force: true });
  renameSync(made, join(here, 'dist'));
} finally {
  rmSync(made, { recursive: true, force: true });
}
