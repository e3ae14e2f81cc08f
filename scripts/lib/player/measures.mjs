// How soon pictures come, and what they cost: each of these opens a page of a player and gives back one figure or several.

const MBIT_50 = { points: [{ ms: 1000, kbps: 50_000 }], rttMs: 20 };
/** Far from what is buffered at each time, and inside of segments and of groups of pictures. */
const SEEKS_S = [57.3, 101.1, 145.7];
export const PATIENCE_MS = 30_000;

export function open({ browser, server }, player, protocol, flags, use) {
  server.link.shape(MBIT_50);
  server.requests.length = 0;
  const query = new URLSearchParams({ player, protocol, ...flags });
  return browser.visit(`${server.origin}/play?${query}`, use);
}

/** Milliseconds from the start of the navigation to the first picture, everything loaded over 50 Mbit/s, all with the same rung. */
export function firstFrame(bench, player, protocol) {
  return open(bench, player, protocol, { manifest: 'high', lowest: '' }, async (page) => {
    await page.waitForFunction(() => globalThis.firstFrameMs, undefined, { timeout: PATIENCE_MS });
    const first = bench.server.requests.find((path) => /chunk-stream[0-5]-/.test(path));
    if (!first.includes('stream3-00001')) throw new Error(`${player} began with ${first}`);
    return page.evaluate(() => firstFrameMs);
  });
}

/** Milliseconds from setting `currentTime` to a picture of there, for each of several places that are not buffered. */
export function seeks(bench, player, protocol) {
  return open(bench, player, protocol, { manifest: 'main' }, async (page) => {
    await page.waitForFunction(() => video.currentTime > 2, undefined, { timeout: PATIENCE_MS });
    const times = [];
    for (const to of SEEKS_S) {
      times.push(await page.evaluate(seek, to));
      await page.waitForTimeout(1500);
    }
    return times;
  });
}

/** Runs in the page. */
function seek(to) {
  for (let i = 0; i < video.buffered.length; i++) {
    if (video.buffered.start(i) <= to && to < video.buffered.end(i)) throw new Error(`${to} s is buffered`);
  }
  return new Promise((resolve) => {
    const begin = performance.now();
    const look = (_, { mediaTime }) => {
      if (Math.abs(mediaTime - to) < 1) resolve(performance.now() - begin);
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    video.currentTime = to;
  });
}

/** Milliseconds of CPU time of the page's main thread for a minute of playback, from the first picture on. */
export function mainThread(bench, player, protocol, seconds = 60) {
  return open(bench, player, protocol, { manifest: 'main' }, async (page) => {
    await page.waitForFunction(() => globalThis.firstFrameMs, undefined, { timeout: PATIENCE_MS });
    const pid = await bench.browser.processOf(page);
    const before = bench.browser.cpuMs(pid);
    const from = await page.evaluate(() => video.currentTime);
    await page.waitForTimeout(seconds * 1000);
    const spent = bench.browser.cpuMs(pid) - before;
    const played = (await page.evaluate(() => video.currentTime)) - from;
    if (played < 0.9 * seconds) throw new Error(`${player} played ${played} s in ${seconds} s`);
    return (spent / played) * 60;
  });
}
