// Chromium, a fresh profile for each page, and an observer in the page that knows nothing of the engine: it looks at the
// element.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { CHROMIUM, watch } from '../../../../player-web/e2e/support/chromium.mjs';

/** Where screenshots go, for people to look at; nowhere by default. */
const SHOTS = process.env.HEADGATE_SHOTS;

export async function startBrowser() {
  // What calls itself headless is a program for the analytics server, and left out of its numbers.
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
  // Not of a page's context: what a page sends while it closes would not have it.
  const browser = await chromium.launch({ ...CHROMIUM, args: [...CHROMIUM.args, `--user-agent=${userAgent}`] });
  return {
    /** Opens a page with empty caches; what it throws, and what its console calls an error, is in `page.problems`. */
    async open(url) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
      context.setDefaultTimeout(30_000);
      await context.addInitScript(observe);
      const page = watch(await context.newPage());
      // Rejects only when the whole browser is closing.
      page.on('close', () => context.close().catch(() => undefined));
      await page.goto(url);
      return page;
    },
    close: () => browser.close(),
  };
}

/**
 * Runs in the page before its scripts: every 20 ms it looks at the media element, and adds up in `globalThis.seen` what a
 * viewer with a stopwatch would. Times in ms; bitrates by the picture's height, of the ladder that the manifest declares.
 */
function observe() {
  const seen = { startupMs: null, playedMs: 0, rebufferMs: 0, mediaMs: 0, kbpsMediaMs: 0, heights: [], frames: 0 };
  globalThis.seen = seen;
  let loadedAt = null;
  let last = null;
  let source = null;
  setInterval(() => {
    const video = document.querySelector('headgate-video');
    if (!video?.getVideoPlaybackQuality) return;
    const now = performance.now();
    if (video.getAttribute('src') !== source) {
      source = video.getAttribute('src');
      loadedAt = now;
      last = null;
      Object.assign(seen, { startupMs: null, playedMs: 0, rebufferMs: 0, mediaMs: 0, kbpsMediaMs: 0, heights: [], frames: 0 });
    }
    if (loadedAt === null || video.seeking || video.paused || video.ended) {
      last = null;
      return;
    }
    const at = video.currentTime;
    seen.frames = video.getVideoPlaybackQuality().totalVideoFrames;
    if (seen.startupMs === null && at > 0 && video.readyState >= 2) seen.startupMs = now - loadedAt;
    if (last && seen.startupMs !== null && at >= last.at) {
      const passed = now - last.now;
      const moved = (at - last.at) * 1000;
      // The playhead moves in steps of its own clock: it stands still when it has not moved for longer than a step.
      if (moved > 0) {
        seen.playedMs += last.still > 200 ? passed : passed + last.still;
        seen.mediaMs += moved;
        const rendition = video.api.renditions.find(({ height }) => height === video.videoHeight);
        seen.kbpsMediaMs += moved * ((rendition?.bitrate ?? 0) / 1000);
        if (last.still > 200) seen.rebufferMs += last.still;
        if (seen.heights.at(-1) !== video.videoHeight) seen.heights.push(video.videoHeight);
      }
      last = { now, at, still: moved > 0 ? 0 : last.still + passed };
    } else {
      last = { now, at, still: 0 };
    }
  }, 20);
}

/** What the observer has seen of the source that is loaded. */
export function seen(page) {
  return page.evaluate(() => globalThis.seen);
}

/**
 * Waits until `test` (run in the page, where `video` is the element) is true; says how things stood if that never comes. It
 * asks from here: the page's policy forbids what Playwright's own waiting does in the page.
 */
export async function until(page, test, argument, limitMs = 30_000) {
  const end = Date.now() + limitMs;
  while (!(await page.evaluate(test, argument))) {
    if (Date.now() > end) {
      const stood = await page.evaluate(() => {
        const log = [...document.querySelectorAll('#log li')].map((item) => item.innerText.replaceAll('\n', ' '));
        return { at: video.currentTime, state: video.api?.state, error: video.error?.message, seen: globalThis.seen, log };
      });
      throw new Error(`not in ${limitMs / 1000} s: ${test}\n${JSON.stringify(stood, null, 1)}\n${page.problems.join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Frames are decoded and the playhead moves on, by half a second at least. */
export async function plays(page) {
  await until(page, () => video.readyState >= 2 && !video.paused && !video.seeking);
  const now = await page.evaluate(() => ({ frames: video.getVideoPlaybackQuality().totalVideoFrames, at: video.currentTime }));
  await until(
    page,
    ({ frames, at }) => video.getVideoPlaybackQuality().totalVideoFrames > frames && video.currentTime > at + 0.5,
    now,
  );
}

export async function shoot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}
