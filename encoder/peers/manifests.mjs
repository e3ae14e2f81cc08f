// Playlists and MPDs in other people's parsers, and the MPD against the standard's own schema.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import m3u8 from 'm3u8-parser';
import mpd from 'mpd-parser';
import { SECONDS } from './support/streams.mjs';
import { variants } from './support/variants.mjs';

const schema = fileURLToPath(new URL('../../../shared/dash-schema/DASH-MPD.xsd', import.meta.url));

describe('manifests', { concurrency: 2 }, () => {
  for (const { name, make, cuts } of variants) {
    test(`${name}: playlists in m3u8-parser`, async () => {
      const { folder } = await make();
      const hls = join(folder, 'hls');
      for (const file of readdirSync(hls)) {
        const manifest = parse(join(hls, file));
        if (file === 'master.m3u8') {
          for (const { uri, attributes } of manifest.playlists) {
            const begins = beginnings(parse(join(hls, uri)));
            assert.equal(begins.length, 1 + cuts.length, `${uri}: ${begins}`);
            cuts.forEach((at, i) => assert.ok(Math.abs(begins[i + 1] - at) < 0.03, `${uri}: ${begins}`));
            assert.ok(attributes.BANDWIDTH >= attributes['AVERAGE-BANDWIDTH'] && attributes.CODECS);
          }
          continue;
        }
        assert.ok(manifest.endList);
        const total = manifest.segments.reduce((sum, { duration }) => sum + duration, 0);
        assert.ok(Math.abs(total - SECONDS) < 0.05, `${file}: ${total} s`);
        for (const { uri, duration } of manifest.segments) {
          assert.ok(existsSync(join(hls, uri)), uri);
          assert.ok(Math.round(duration) <= manifest.targetDuration);
        }
      }
    });

    test(`${name}: MPD in mpd-parser`, async () => {
      const { folder } = await make();
      const path = join(folder, 'dash/manifest.mpd');
      const said = [];
      const parsed = mpd.parse(readFileSync(path, 'utf8'), {
        manifestUri: 'http://x/v/dash/manifest.mpd',
        eventHandler: ({ type, message }) => said.push(`${type}: ${message}`),
      });
      assert.deepEqual(said, []);
      assert.ok(Math.abs(parsed.duration - SECONDS) < 0.05);
      assert.ok(parsed.playlists.length > 0 || Object.keys(parsed.mediaGroups.AUDIO.audio ?? {}).length > 0);
      for (const { segments, sidx } of parsed.playlists) {
        if (sidx) continue;
        const total = segments.reduce((sum, { duration }) => sum + duration, 0);
        assert.ok(Math.abs(total - SECONDS) < 0.05, `${total} s`);
        for (const { resolvedUri } of segments) assert.ok(existsSync(join(folder, new URL(resolvedUri).pathname.slice('/v/'.length))), resolvedUri);
      }
    });

    test(`${name}: MPD by the schema of ISO/IEC 23009-1`, async (t) => {
      if (!existsSync(schema)) return t.skip('the schema is not here');
      const { folder } = await make();
      execFileSync('xmllint', ['--nonet', '--noout', '--schema', schema, join(folder, 'dash/manifest.mpd')], { stdio: 'pipe' });
    });
  }
});

/** A playlist, of which the parser has nothing to say. */
function parse(path) {
  const parser = new m3u8.Parser();
  const said = [];
  // What it calls information is that it takes a default.
  for (const kind of ['warn', 'error']) parser.on(kind, ({ message }) => said.push(`${path}: ${message}`));
  parser.push(readFileSync(path, 'utf8'));
  parser.end();
  assert.deepEqual(said, []);
  return parser.manifest;
}

/** Where segments begin, in seconds. */
function beginnings({ segments }) {
  let at = 0;
  return segments.map(({ duration }) => (at += duration) - duration);
}
