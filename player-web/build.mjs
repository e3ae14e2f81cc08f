// Bundles ts/ and the Wasm of pkg/, abr/pkg/ and transmux/pkg/ (scripts/build-wasm) into dist/, and prints what a page loads.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = join(here, 'dist');
const wasm = {
  'abr.wasm': join(here, 'abr/pkg/player_web_abr_bg.wasm'),
  'player.wasm': join(here, 'pkg/player_web_bg.wasm'),
  'transmux.wasm': join(here, 'transmux/pkg/player_web_transmux_bg.wasm'),
};

for (const path of Object.values(wasm)) {
  if (existsSync(path)) continue;
  console.error(`${path} is missing: run \`npm run build:wasm\` in the repository first`);
  process.exit(1);
}

/** wasm-bindgen's own guess at where the Wasm is: ts/wasm.ts knows better, and bundlers would look for that file, too. */
const withoutDefaultPath = {
  name: 'without-default-path',
  setup({ onLoad }) {
    onLoad({ filter: /pkg[/\\]player_web(_abr|_transmux)?\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/new URL\('\w+_bg\.wasm', import\.meta\.url\)/, 'undefined'),
      loader: 'js',
    }));
  },
};

/** The element is told apart from what it plays with, which is `index.js` and not a third file: that would be one more round trip. */
const besideIndex = {
  name: 'beside-index',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/headgate\.js$/ }, () => ({ path: './index.js', external: true }));
  },
};

/** The calls of Encrypted Media Extensions are a file of their own, for streams that need them. */
const apart = {
  name: 'apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/drm\/index\.js$/ }, ({ kind }) => (kind === 'dynamic-import' ? { path: './drm.js', external: true } : undefined));
  },
};

rmSync(dist, { recursive: true, force: true });
const options = {
  absWorkingDir: here,
  outdir: dist,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  sourcemap: true,
  metafile: true,
  plugins: [withoutDefaultPath],
  logLevel: 'warning',
};
const index = await build({ ...options, entryPoints: ['ts/index.ts'], plugins: [apart, withoutDefaultPath] });
const drm = await build({ ...options, entryPoints: { drm: 'ts/drm/index.ts' } });
const element = await build({ ...options, entryPoints: ['ts/element.ts'], plugins: [besideIndex, withoutDefaultPath] });
// A file of its own: what it shares with the player is little, and nobody loads both.
await build({ ...options, entryPoints: ['ts/abr.ts'] });
for (const [name, path] of Object.entries(wasm)) copyFileSync(path, join(dist, name));
writeFileSync(join(dist, 'THIRD_PARTY.txt'), notices({ ...index.metafile.inputs, ...drm.metafile.inputs, ...element.metafile.inputs }));

// Not by way of npm's PATH: this also runs as plain `node build.mjs`.
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const types = spawnSync(process.execPath, [tsc, '-p', here, '--emitDeclarationOnly'], { stdio: 'inherit' });
if (types.status !== 0) process.exit(types.status ?? 1);

for (const file of readdirSync(dist).filter((name) => /\.(js|wasm)$/.test(name))) {
  const bytes = readFileSync(join(dist, file));
  const kb = (n) => (n / 1000).toFixed(1);
  console.log(`player-web/dist/${file}: ${kb(bytes.length)} KB, ${kb(gzipSync(bytes, { level: 9 }).length)} KB gzip`);
}

/** The licences of what was bundled ask to be passed on. */
function notices(inputs) {
  const names = new Set(Object.keys(inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]));
  names.delete(undefined);
  return [...names].sort().map(notice).join('\n');
}

function notice(name) {
  let folder = here;
  while (!existsSync(join(folder, 'node_modules', name))) folder = dirname(folder);
  folder = join(folder, 'node_modules', name);
  const { version, license, author, homepage } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const by = typeof author === 'object' ? author.name : author;
  const text = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
  const terms = text ? readFileSync(join(folder, text), 'utf8') : '';
  return `${name} ${version}, licence ${license}, by ${by} (${homepage})\n${terms}`;
}
