// What a viewer gets over a network that varies: each player plays the same 96 s, with the same buffer, over the same trace.

import { RUNGS, SEGMENT_S, SHORT_S } from './ladder.mjs';

const SEGMENTS = SHORT_S / SEGMENT_S;
const BEST_KBPS = RUNGS.at(-1).kbps;
/** Longer than any of them needs; who is not done by then is scored as far as he came, and stalls to the end. */
const PATIENCE_MS = 240_000;

/**
 * QoE_lin: over segments, the mean of R/Rmax − stall, s − |ΔR|/Rmax. The rung of a segment is that of most of its frames on the screen; the
 * wait for the first picture is a stall.
 */
export async function score({ browser, server }, player, protocol, network) {
  server.mediaOnly = true;
  server.link.shape();
  const query = new URLSearchParams({ player, protocol, manifest: 'short', lowest: '', manual: '', frames: '' });
  const { beganMs, frames, endMs } = await browser.visit(`${server.origin}/play?${query}`, async (page) => {
    await page.waitForFunction(() => globalThis.go);
    server.link.shape(network);
    await page.evaluate(() => go());
    // The last frame may be missing from what is counted.
    const over = `frames.length > 0 && frames.at(-1)[1] > ${SHORT_S - 0.2}`;
    await page.waitForFunction(over, undefined, { timeout: PATIENCE_MS, polling: 250 }).catch(() => undefined);
    return page.evaluate(() => ({ beganMs, frames, endMs: performance.now() }));
  });
  return rate(frames, beganMs, endMs);
}

/** Of frames `[ms, media seconds, width]` in the order that they were seen. */
export function rate(frames, beganMs, endMs) {
  const rungs = Array.from({ length: SEGMENTS }, () => new Map());
  for (const [, time, width] of frames) {
    const counts = rungs[Math.min(SEGMENTS - 1, Math.floor(time / SEGMENT_S))];
    counts.set(width, (counts.get(width) ?? 0) + 1);
  }
  const kbps = rungs.map((counts) => {
    const width = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
    return RUNGS.find((rung) => rung.width === width)?.kbps ?? 0;
  });
  const done = frames.length > 0 && frames.at(-1)[1] > SHORT_S - 0.2;
  const ended = done ? frames.at(-1)[0] : endMs;
  const played = frames.at(-1)?.[1] ?? 0;
  const stallS = Math.max(0, (ended - beganMs) / 1000 - played);
  const startS = frames.length > 0 ? (frames[0][0] - beganMs) / 1000 : stallS;
  const changes = kbps.slice(1).map((rate, i) => Math.abs(rate - kbps[i]));
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const qoe = (sum(kbps) / BEST_KBPS - stallS - sum(changes) / BEST_KBPS) / SEGMENTS;
  return { qoe, kbps: sum(kbps) / SEGMENTS, startS, stallS, switches: changes.filter(Boolean).length };
}
