// What the tests do on a page.

import assert from 'node:assert/strict';
import { keep } from './browser.mjs';

/** Adds a muted <headgate-video> with these attributes; `config` is its property. Events are kept in `video.seen`. */
export async function mount(page, { config, ...attributes }) {
  await page.evaluate(
    async ([attributes, config]) => {
      await customElements.whenDefined('headgate-video');
      const video = document.createElement('headgate-video');
      if (config) video.config = config;
      video.seen = [];
      const own = ['loaded', 'renditionchange', 'statechange', 'warning'].map((type) => `headgate-${type}`);
      for (const type of ['emptied', 'ended', 'error', 'pause', 'play', 'playing', 'seeked', 'waiting', ...own]) {
        video.addEventListener(type, ({ detail }) => {
          video.seen.push({ type, detail: detail instanceof Error ? { kind: detail.kind, message: detail.message } : detail });
        });
      }
      video.muted = true;
      video.toggleAttribute('record', true);
      for (const [name, value] of Object.entries(attributes)) video.setAttribute(name, value);
      document.body.append(video);
      globalThis.video = video;
    },
    [attributes, config],
  );
}

/** What the element says of itself. */
export function state(page) {
  return page.evaluate(() => ({
    currentTime: video.currentTime,
    duration: video.duration,
    paused: video.paused,
    ended: video.ended,
    buffered: Array.from({ length: video.buffered.length }, (_, i) => [video.buffered.start(i), video.buffered.end(i)]),
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    width: video.videoWidth,
    state: video.api?.state,
    rendition: video.api?.rendition?.id,
    error: video.error && { code: video.error.code, kind: video.error.kind, message: video.error.message },
    seen: video.seen,
  }));
}

/** Waits until `test` (a function of the page, with `video`) is true; says how things stood if that never comes. */
export async function until(page, test, argument, timeout = 20_000) {
  try {
    await page.waitForFunction(test, argument, { timeout, polling: 50 });
  } catch (error) {
    const stood = await state(page).catch(() => undefined);
    keep('failed.jsonl', await page.evaluate(() => video.api?.exportLog()).catch(() => undefined));
    throw new Error(`${error.message}\nwaiting for ${test}\n${JSON.stringify(stood, null, 1)}\n${page.problems.join('\n')}`);
  }
}

/** Frames are decoded and the playhead moves on, by half a second at least. */
export async function plays(page) {
  await until(page, () => video.readyState >= 2 && !video.paused && !video.seeking);
  const { frames, currentTime } = await state(page);
  await until(
    page,
    ([frames, currentTime]) =>
      video.getVideoPlaybackQuality().totalVideoFrames > frames && video.currentTime > currentTime + 0.5,
    [frames, currentTime],
  );
}

/** Nothing went wrong on the page that was not meant to. */
export function unharmed(page) {
  assert.deepEqual(page.problems, []);
}
