// The manifest readers of other players, out of their npm packages, for scripts/bench-manifest.
//
// hls.js exports its own. dash.js and Shaka do not, so they are taken out of the builds that each ships with readable names: the
// same code as in the minified ones. What they look for in a browser while they load is there, and empty.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { Problem } from './report.mjs';

const MODULES = join(root, 'node_modules');

/**
 * `read` takes what the player hands to its reader (`bytes` says which of the two that is) and gives what it makes of it; `segments`
 * and `parts` count what it found.
 * @typedef {{ name: string, bytes: boolean, read: (manifest: string | Uint8Array) => object,
 *   segments: (read: object) => number, parts?: (read: object) => number }} Peer
 */

/** @returns {Promise<{ hls: Peer[], dash: Peer[] }>} ours is to be compared with the first one of each */
export async function loadPeers(url) {
  globalThis.self = globalThis.window = globalThis;
  globalThis.navigator ??= { userAgent: '', platform: '', vendor: '', language: 'en' };
  globalThis.document = { createElement: () => ({ style: {} }), addEventListener() {} };
  const { M3U8Parser } = await import(join(MODULES, 'hls.js/dist/hls.mjs'));
  const shaka = loadShaka();
  return { hls: [hlsjs(M3U8Parser, url), shakaHls(shaka)], dash: [dashjs(loadDashParser()), shakaDash(shaka)] };
}

function hlsjs(parser, url) {
  return {
    name: 'hls.js',
    bytes: false,
    read: (text) => parser.parseLevelPlaylist(text, url, 0, 'main', 0, null),
    segments: ({ fragments }) => fragments.length,
    parts: ({ partList }) => partList?.length ?? 0,
  };
}

function shakaHls({ hls }) {
  return {
    name: 'Shaka’s text parser, no index',
    bytes: true,
    read: (bytes) => new hls.ManifestTextParser().parsePlaylist(bytes),
    segments: ({ segments }) => segments.length,
    parts: ({ segments }) => segments.reduce((sum, { partialSegments }) => sum + partialSegments.length, 0),
  };
}

function dashjs(parser) {
  return {
    name: 'dash.js',
    bytes: false,
    read: (text) => parser.parse(text),
    segments: ({ Period }) => Period[0].AdaptationSet.reduce((sum, set) => sum + set.SegmentTemplate.SegmentTimeline.S.length, 0),
  };
}

function shakaDash({ util }) {
  // A text is a string among the children.
  const count = ({ tagName, children = [] }) => children.reduce((sum, child) => sum + count(child), Number(tagName === 'S'));
  return { name: 'Shaka’s XML tree', bytes: true, read: (bytes) => util.TXml.parseXml(bytes, 'MPD'), segments: count };
}

/** Its whole namespace, not only what it exports. */
function loadShaka() {
  const path = join(MODULES, 'shaka-player/dist/shaka-player.compiled-es2021.debug.js');
  const exports = {};
  const [code, end] = parted(path, /\}\)\.call\(exportTo,/);
  const log = console.log;
  try {
    console.log = () => {};
    new Function('exports', `${code};exports.all = shaka;${end}`)(exports);
  } finally {
    console.log = log;
  }
  exports.all.log.setLevel(exports.all.log.Level.NONE);
  return exports.all;
}

/** Without its entry module, which starts the player. */
function loadDashParser() {
  const [modules] = parted(join(MODULES, 'dashjs/dist/modern/esm/dash.all.debug.js'), /^var __webpack_exports__ = \{\};$/m);
  const load = new Function(`${modules};return __webpack_require__;`)();
  const { default: DashParser } = load('./src/dash/parser/DashParser.js');
  return DashParser({}).create({ debug: { getLogger: () => ({ info() {} }) } });
}

/** A file's text up to the last match, and the rest. */
function parted(path, pattern) {
  const text = readFileSync(path, 'utf8');
  const at = [...text.matchAll(new RegExp(pattern, `g${pattern.flags}`))].at(-1)?.index;
  if (at === undefined) throw new Problem(`${path} is not built as expected`, 'Is it the version that package-lock.json has? Run: npm ci');
  return [text.slice(0, at), text.slice(at)];
}
