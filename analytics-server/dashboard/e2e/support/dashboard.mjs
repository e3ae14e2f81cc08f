// A server of its own, Chromium, and pages on which nothing may go wrong.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM } from '../../../../player-web/e2e/support/chromium.mjs';

const bin = process.env.HEADGATE_BIN_DIR ?? fileURLToPath(new URL('../../../../target/debug', import.meta.url));
/** Where screenshots go, for people to look at; nowhere by default. */
const shots = process.env.HEADGATE_SHOTS;

export class Dashboard {
  #data = mkdtempSync(join(tmpdir(), 'headgate-dashboard-'));
  #server;
  #browser;
  /** Of the dashboard, and of the collector. */
  origin;
  collector;

  /** `sites`: names, which are their keys, too. */
  static async start(sites = ['demo']) {
    const it = new Dashboard();
    const program = join(bin, 'headgate-analytics');
    if (!existsSync(program)) throw new Error(`${program} is missing: run \`cargo build -p analytics-server\` first`);
    const addresses = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--admin-without-token'];
    it.#server = spawn(program, ['serve', '--data', it.#data, ...addresses, ...sites.flatMap((site) => ['--site-key', site])], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface(it.#server.stdout)) {
      const address = /http:\/\/[^/]+/.exec(line)?.[0];
      if (line.startsWith('Dashboard')) it.origin = address;
      if (line.startsWith('Beacons')) it.collector = address;
      if (it.origin && it.collector) break;
    }
    it.#browser = await chromium.launch(CHROMIUM);
    return it;
  }

  async stop() {
    await this.#browser?.close();
    const ended = new Promise((resolve) => this.#server.once('exit', resolve));
    this.#server.kill('SIGTERM');
    await ended;
    rmSync(this.#data, { recursive: true, force: true });
  }

  async post(beacons) {
    for (const beacon of beacons) {
      const response = await fetch(`${this.collector}/v1/beacons`, { method: 'POST', body: JSON.stringify(beacon) });
      assert.equal(response.status, 204, await response.text());
    }
  }

  /** Waits until the store has what was posted. */
  async has(views) {
    await until(async () => {
      const response = await fetch(`${this.origin}/v1/views?limit=500`);
      return (await response.json()).views.length >= views;
    }, `${views} views`);
  }

  /** A page on which nothing may go wrong: no error, no refusal by the content security policy. */
  async open(path, { expected, ...options } = {}) {
    const page = await this.#browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && !(expected && message.text().includes(expected))) page.problems.push(message.text());
    });
    await page.goto(this.origin + path);
    return page;
  }

  async close(page, name) {
    if (shots) {
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `dashboard-${name}.png`), fullPage: true });
    }
    assert.deepEqual(page.problems, []);
    await page.close();
  }
}

async function until(holds, what) {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) assert.fail(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Waits until the element's text is this one: the page refreshes by itself. */
export async function becomes(locator, text) {
  let last;
  await until(async () => {
    last = (await locator.allTextContents()).join('|');
    return text instanceof RegExp ? text.test(last) : last === text;
  }, `${text}`).catch(() => assert.fail(`it says ${JSON.stringify(last)}, not ${text}`));
}

export const tile = (page, label) => page.locator('.tile', { has: page.getByRole('heading', { name: label, exact: true }) }).locator('.tile-value');

/** Waits until the address has all of these parts. */
export async function goesTo(page, ...parts) {
  await until(() => parts.every((part) => page.url().includes(part)), `${parts.join(' ')} in ${page.url()}`);
}
