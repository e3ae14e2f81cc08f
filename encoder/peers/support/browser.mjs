// Plays a stream in Chromium by one of the players, to its end.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { CHROMIUM } from '../../../player-web/e2e/support/chromium.mjs';

export async function startBrowser() {
  const browser = await chromium.launch(CHROMIUM);
  return { close: () => browser.close(), play: (...args) => play(browser, ...args) };
}

/**
 * Plays from the start to the end, at a higher rate where the clip is long enough, and tells what was seen.
 *
 * @param {{ player: string, origin: string, path: string, keys?: Record<string, string> }} what
 */
async function play(browser, { player, origin, path, keys }) {
  const context = await browser.newContext({ viewport: { width: 400, height: 300 } });
  try {
    const page = await context.newPage();
    const thrown = [];
    page.on('pageerror', (error) => thrown.push(error.stack ?? String(error)));
    const query = new URLSearchParams({ url: `${origin}/media/${path}`, ...(keys && { keys: JSON.stringify(keys) }) });
    await page.goto(`${origin}/player/${encodeURIComponent(player)}?${query}`);
    const seen = await page.evaluate(async () => {
      const video = document.querySelector('video');
      const deadline = performance.now() + 45_000;
      const failed = () => window.said.some((line) => line.startsWith('error'));
      while (!video.ended && performance.now() < deadline && !failed()) {
        if (video.readyState >= 3) video.playbackRate = 2;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
      return {
        said: window.said,
        ended: video.ended,
        time: video.currentTime,
        duration: video.duration,
        width: video.videoWidth,
        height: video.videoHeight,
        frames: totalVideoFrames,
        dropped: droppedVideoFrames,
        heard: video.webkitAudioDecodedByteCount,
      };
    });
    assert.deepEqual(thrown, [], `${player} threw`);
    return seen;
  } finally {
    await context.close();
  }
}
