// One Chromium for all runs, a fresh profile for each: no cache, no storage, no connection of a run before.

import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { CHROMIUM } from '../../../player-web/e2e/support/chromium.mjs';

export async function startBrowser() {
  const browser = await chromium.launch(CHROMIUM);
  const system = await browser.newBrowserCDPSession();

  /** CPU time of each renderer's first thread, which is Blink's main one. */
  async function renderers() {
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    return new Map(pids.map((pid) => [pid, cpuMs(pid)]));
  }

  return {
    version: browser.version(),
    close: () => browser.close(),

    /** Opens a page, has it `used`, and closes it. What it throws is thrown. */
    async visit(url, use) {
      const context = await browser.newContext({ viewport: { width: 800, height: 600 } });
      try {
        const page = await context.newPage();
        const errors = [];
        page.on('pageerror', (error) => errors.push(error));
        await page.goto(url);
        const result = await use(page);
        if (errors.length > 0) throw errors[0];
        return result;
      } finally {
        await context.close();
      }
    },

    /** The process whose main thread a page has: that whose time passes as the page is made to spend some. */
    async processOf(page) {
      const before = await renderers();
      await page.evaluate(() => {
        const end = performance.now() + 200;
        while (performance.now() < end);
      });
      const after = await renderers();
      const spent = (pid) => after.get(pid) - (before.get(pid) ?? 0);
      return [...after.keys()].sort((a, b) => spent(b) - spent(a))[0];
    },

    cpuMs,
  };
}

/** CPU time that the first thread of a process has had. */
function cpuMs(pid) {
  // The first number is nanoseconds on a processor.
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}
