// Bundles src/ into dist/, which the server embeds; with --tests, bundles test/ into node_modules/.tests/ for `node --test`.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const common = { absWorkingDir: here, bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning' };

if (process.argv.includes('--tests')) {
  rmSync(join(here, 'node_modules/.tests'), { recursive: true, force: true });
  const entryPoints = readdirSync(join(here, 'test')).map((name) => `test/${name}`);
  const outExtension = { '.js': '.mjs' };
  await build({ ...common, entryPoints, outdir: 'node_modules/.tests', outExtension, platform: 'node', sourcemap: 'inline' });
} else {
  const dist = join(here, 'dist');
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  await build({ ...common, entryPoints: ['src/main.ts'], outdir: 'dist', minify: true });
  // Before the first paint, and so not a module.
  await build({ ...common, entryPoints: ['src/boot.ts'], outdir: 'dist', minify: true, format: 'iife' });
  for (const name of ['index.html', 'icon.svg']) copyFileSync(join(here, 'src', name), join(dist, name));
  for (const name of readdirSync(dist)) {
    const bytes = readFileSync(join(dist, name));
    // The server sends these to whoever takes them.
    const packed = gzipSync(bytes, { level: 9 });
    writeFileSync(join(dist, `${name}.gz`), packed);
    console.log(`dashboard/dist/${name}: ${kb(bytes.length)}, ${kb(packed.length)} gzip`);
  }
}

function kb(bytes) {
  return `${(bytes / 1024).toFixed(1)} KB`;
}
