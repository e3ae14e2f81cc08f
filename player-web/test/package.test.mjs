// The package as it is shipped: what dist/ holds, and how it behaves where there is no browser.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${here}/package.json`, 'utf8'));

test('everything that package.json exports is there', () => {
  const targets = Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)));
  assert.ok(targets.length >= 5);
  for (const target of targets) assert.ok(existsSync(`${here}/${target}`), `${target}: run \`npm run build\``);
});

test('importing it on a server does nothing and breaks nothing', () => {
  const script = `
    const { Headgate, HeadgateError } = await import('headgate');
    const { HeadgateVideoElement } = await import('headgate/element');
    console.log(JSON.stringify([typeof Headgate, typeof HeadgateError, HeadgateVideoElement.getTemplateHTML({ src: 'a.m3u8', muted: '' })]));
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: here, encoding: 'utf8', timeout: 30_000 });
  const [player, error, template] = JSON.parse(out);
  assert.deepEqual([player, error], ['function', 'function']);
  assert.match(template, /<video muted>/);
  assert.doesNotMatch(template, /a\.m3u8/);
});

test('bundlers find each entry its Wasm files, beside the script', () => {
  const scripts = readdirSync(`${here}/dist`).filter((name) => name.endsWith('.js'));
  const urls = (name) => readFileSync(`${here}/dist/${name}`, 'utf8').match(/new URL\([^()]*import\.meta\.url\)/g) ?? [];
  assert.deepEqual(scripts.filter((name) => name !== 'abr.js').flatMap(urls).sort(), ['new URL("./player.wasm",import.meta.url)', 'new URL("./transmux.wasm",import.meta.url)'].sort());
  assert.deepEqual(urls('abr.js'), ['new URL("./abr.wasm",import.meta.url)']);
});

test('what is for protected streams alone is loaded by name', () => {
  const imports = (name) => readFileSync(`${here}/dist/${name}`, 'utf8').match(/import\("[^"]*"\)/g) ?? [];
  assert.deepEqual(imports('index.js'), ['import("./drm.js")']);
  assert.deepEqual([...imports('element.js'), ...imports('drm.js')], []);
});

test('types stand on their own', () => {
  for (const name of ['abr', 'drm-options', 'index', 'element', 'headgate', 'headgate-video', 'messages', 'options', 'errors', 'text-tracks', 'thumbnails', 'tracks']) {
    assert.doesNotMatch(readFileSync(`${here}/dist/types/${name}.d.ts`, 'utf8'), /\/pkg\//, name);
  }
});

// The target is 150 KB for all of it together, which is far away: these hold what has been reached. KB of gzip, as a server sends it.
test('what a page loads has a budget', () => {
  const kilobytes = (name) => gzipSync(readFileSync(`${here}/dist/${name}`), { level: 9 }).length / 1000;
  const scripts = readdirSync(`${here}/dist`).filter((name) => name.endsWith('.js') && !['abr.js', 'drm.js'].includes(name));
  const sizes = {
    'player.wasm': [kilobytes('player.wasm'), 357],
    'transmux.wasm': [kilobytes('transmux.wasm'), 68],
    // For protected streams alone.
    'drm.js': [kilobytes('drm.js'), 7],
    scripts: [scripts.reduce((sum, name) => sum + kilobytes(name), 0), 23],
  };
  for (const [name, [size, budget]] of Object.entries(sizes)) assert.ok(size <= budget, `${name}: ${size.toFixed(1)} KB of ${budget}`);
});
