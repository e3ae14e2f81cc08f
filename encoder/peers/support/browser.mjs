// Plays a stream in Chromium by one of the players, to its end.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { CHROMIUM } from '../../../player-web/e2e/support/chromium.mjs';

/** How fast it plays: the highest rate at which Chromium still makes sound. */
const RATE = 4;

export async function startBrowser() {
  const browser = await chromium.launch(CHROMIUM);
  return { close: () => browser.close(), play: (...args) => play(browser, ...args), open: (...args) => open(browser, ...args) };
}

/**
 * Plays from the start to the end, fast as soon as everything is there, and tells what was seen.
 *
 * @param {object} what
 * @param {Record<string, string>} [what.keys]
 * @param {boolean} [what.fast] from its first frame on, also where not everything is there
 * @param {number[]} what.times where it seeks to after its end, to be photographed, if its pictures are kept from the page
 */
async function play(browser, { player, origin, path, keys, times, fast }) {
  const context = await browser.newContext({ viewport: { width: 400, height: 300 } });
  try {
    const page = await context.newPage();
    const thrown = [];
    page.on('pageerror', (error) => thrown.push(error.stack ?? String(error)));
    const query = new URLSearchParams({ url: `${origin}/media/${path}`, ...(keys && { keys: JSON.stringify(keys) }) });
    await page.goto(`${origin}/player/${encodeURIComponent(player)}?${query}`);
    const seen = await page.evaluate(playOut, { rate: RATE, fast });
    // Chromium paints what was encrypted black on a canvas.
    if (keys && seen.ended) seen.pictures = await photograph(page, times);
    assert.deepEqual(thrown, [], `${player} threw`);
    return seen;
  } finally {
    await context.close();
  }
}

/**
 * Plays something live.
 *
 * @returns a page, and what it has thrown
 */
async function open(browser, { player, origin, url }) {
  const context = await browser.newContext({ viewport: { width: 400, height: 300 } });
  const page = await context.newPage();
  const thrown = [];
  page.on('pageerror', (error) => thrown.push(error.stack ?? String(error)));
  const query = new URLSearchParams({ url, live: '' });
  await page.goto(`${origin}/player/${encodeURIComponent(player)}?${query}`);
  return { page, thrown };
}

/** Runs on the page. */
async function playOut({ rate, fast }) {
  const { said, pictures } = window;
  const deadline = performance.now() + 45_000;
  const failed = () => said.some((line) => line.startsWith('error'));
  const isThere = () => fast || video.buffered.length > 0 && video.buffered.end(video.buffered.length - 1) > video.duration - 0.1;
  while (!video.ended && performance.now() < deadline && !failed()) {
    if (isThere()) video.playbackRate = rate;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return {
    said,
    pictures,
    ended: video.ended,
    time: video.currentTime,
    duration: video.duration,
    width: video.videoWidth,
    height: video.videoHeight,
    frames: totalVideoFrames,
    dropped: droppedVideoFrames,
    heard: video.webkitAudioDecodedByteCount,
  };
}

/** What the page looks like where the video is, at each of the times. */
async function photograph(page, times) {
  const pictures = [];
  for (const time of times) {
    await page.evaluate((time) => {
      video.pause();
      const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      video.currentTime = time;
      return shown;
    }, time);
    const png = await page.locator('video').screenshot();
    const bytes = await page.evaluate(async (url) => shrink(await createImageBitmap(await (await fetch(url)).blob())), `data:image/png;base64,${png.toString('base64')}`);
    pictures.push({ time, bytes });
  }
  return pictures;
}
