// Other people's players play what was written, in Chromium, to the end and without a word.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from './support/browser.mjs';
import { PLAYERS } from './support/pages.mjs';
import { startServer } from './support/server.mjs';
import { SECONDS, root } from './support/streams.mjs';
import { variants } from './support/variants.mjs';

/** What hls.js says of its own second try at the first segment of any transport stream with separate sound, FFmpeg's too. */
const OWN = /bufferAppendNoProgress|without buffered range growth/;

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer(root)]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.close()]);
});

for (const { name, make, players = Object.keys(PLAYERS), protocols = ['hls', 'dash'], sound = true, frames = 60 } of variants) {
  for (const player of players) {
    for (const protocol of PLAYERS[player].filter((protocol) => protocols.includes(protocol))) {
      test(`${player} plays ${protocol.toUpperCase()}: ${name}`, { timeout: 90_000 }, async () => {
        const made = make();
        const seen = await browser.play({ player, origin: server.origin, path: made[protocol], keys: protocols.includes('dash') ? made.keys : undefined });
        const told = JSON.stringify(seen);
        assert.deepEqual(seen.said.filter((line) => !(name.startsWith('MPEG-TS') && OWN.test(line))), [], told);
        assert.ok(seen.ended, told);
        assert.ok(Math.abs(seen.duration - SECONDS) < 0.1, told);
        assert.ok(seen.frames >= frames, told);
        if (sound) assert.ok(seen.heard > 10_000, told);
      });
    }
  }
}
