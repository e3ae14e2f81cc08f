// Other people's players play what was written, in Chromium, to the end and without a word.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBrowser } from './support/browser.mjs';
import { PLAYERS } from './support/pages.mjs';
import { picturesOf, recognise } from './support/pictures.mjs';
import { startServer } from './support/server.mjs';
import { FRAMES_PER_SECOND, SECONDS, root } from './support/streams.mjs';
import { variants } from './support/variants.mjs';

/** What hls.js says of its own second try at the first segment of any transport stream with separate sound, FFmpeg's too. */
const OWN = /bufferAppendNoProgress|without buffered range growth/;

// Two at once: what takes the time is that it is played.
describe('players', { concurrency: 2 }, () => {
  let browser;
  let server;

  before(async () => {
    [browser, server] = await Promise.all([startBrowser(), startServer(root)]);
  });

  after(async () => {
    await Promise.all([browser?.close(), server?.close()]);
  });

  for (const { name, make, cuts, players = Object.keys(PLAYERS), protocols = ['hls', 'dash'] } of variants) {
    for (const player of players) {
      for (const protocol of PLAYERS[player].filter((protocol) => protocols.includes(protocol))) {
        test(`${player} plays ${protocol.toUpperCase()}: ${name}`, { timeout: 90_000 }, async () => {
          const made = await make();
          const segments = [0, ...cuts].map((start, at) => [start, cuts[at] ?? SECONDS]);
          const { pictures, ...seen } = await browser.play({
            player,
            origin: server.origin,
            path: made[protocol],
            keys: protocols.includes('dash') ? made.keys : undefined,
            times: segments.map(([start, end]) => (start + end) / 2),
          });
          const told = JSON.stringify(seen);
          assert.deepEqual(seen.said.filter((line) => !(name.startsWith('MPEG-TS') && OWN.test(line))), [], told);
          assert.ok(seen.ended, told);
          assert.ok(Math.abs(seen.duration - SECONDS) < 0.1, told);
          assert.ok(seen.frames >= SECONDS * FRAMES_PER_SECOND, told);
          assert.ok(seen.heard > 10_000, told);

          const clip = await picturesOf(made.clip);
          const known = pictures.map(({ time, bytes }) => ({ at: time, ...recognise(bytes, clip) }));
          for (const { at, time, distance } of known) {
            assert.ok(Math.abs(time - at) < 0.5 && distance < 25, `at ${at} s it shows ${time} s, ${distance} apart`);
          }
          for (const [start, end] of segments) {
            assert.ok(known.some(({ time }) => time >= start && time < end), `nothing seen from ${start} s to ${end} s: ${known.map(({ time }) => time)}`);
          }
        });
      }
    }
  }
});
