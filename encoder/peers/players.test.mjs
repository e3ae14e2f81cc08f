// Other people's players play what was written, in Chromium, to the end and without a word.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from './support/browser.mjs';
import { PLAYERS } from './support/pages.mjs';
import { startServer } from './support/server.mjs';
import { SECONDS, root } from './support/streams.mjs';
import { variants } from './support/variants.mjs';

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer(root)]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.close()]);
});

for (const { name, make, players = Object.keys(PLAYERS), sound = true, frames = 60 } of variants) {
  for (const player of players) {
    for (const protocol of PLAYERS[player]) {
      test(`${player} plays ${protocol.toUpperCase()}: ${name}`, { timeout: 90_000 }, async () => {
        const made = make();
        const seen = await browser.play({ player, origin: server.origin, path: made[protocol], keys: made.keys });
        const told = JSON.stringify(seen);
        assert.deepEqual(seen.said, [], told);
        assert.ok(seen.ended, told);
        assert.ok(Math.abs(seen.duration - SECONDS) < 0.1, told);
        assert.ok(seen.frames >= frames, told);
        if (sound) assert.ok(seen.heard > 10_000, told);
      });
    }
  }
}
