// The dashboard in Chromium, before a server that got its beacons over HTTP.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM } from '../../../player-web/e2e/support/chromium.mjs';
import { failedView, playedView, viewId } from './views.mjs';

const bin = process.env.HEADGATE_BIN_DIR ?? fileURLToPath(new URL('../../../target/debug', import.meta.url));
/** Where screenshots go, for people to look at; nowhere by default. */
const shots = process.env.HEADGATE_SHOTS;
const data = mkdtempSync(join(tmpdir(), 'headgate-dashboard-'));
let server;
/** Of the dashboard, and of the collector. */
let origin;
let collector;
let browser;

before(async () => {
  const program = join(bin, 'headgate-analytics');
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`cargo build -p analytics-server\` first`);
  const addresses = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--admin-without-token'];
  server = spawn(program, ['serve', '--data', data, ...addresses, '--site-key', 'demo'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(server.stdout)) {
    const address = /http:\/\/[^/]+/.exec(line)?.[0];
    if (line.startsWith('Dashboard')) origin = address;
    if (line.startsWith('Beacons')) collector = address;
    if (origin && collector) break;
  }
  browser = await chromium.launch(CHROMIUM);
});

after(async () => {
  await browser?.close();
  if (server) {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
  }
  rmSync(data, { recursive: true, force: true });
});

async function post(beacons) {
  for (const beacon of beacons) {
    const response = await fetch(`${collector}/v1/beacons`, { method: 'POST', body: JSON.stringify(beacon) });
    assert.equal(response.status, 204, await response.text());
  }
}

/** A page on which nothing may go wrong: no error, no refusal by the content security policy. */
async function open(path, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    const expected = options.expect404 && message.text().includes('404');
    if (message.type() === 'error' && !expected) page.problems.push(message.text());
  });
  await page.goto(origin + path);
  return page;
}

async function close(page, name) {
  if (shots) {
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `dashboard-${name}.png`), fullPage: true });
  }
  assert.deepEqual(page.problems, []);
  await page.close();
}

const tile = (page, label) => page.locator('.tile', { hasText: label }).locator('.tile-value');

/** Waits until the element's text is this one: the page refreshes by itself. */
async function becomes(locator, text) {
  const deadline = Date.now() + 20_000;
  let last;
  while (Date.now() < deadline) {
    last = (await locator.allTextContents()).join('|');
    if (text instanceof RegExp ? text.test(last) : last === text) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`it says ${JSON.stringify(last)}, not ${text}`);
}

test('without views it says how to get some, and notices the first one by itself', async () => {
  const page = await open('/dashboard');
  await page.getByRole('heading', { name: 'No views yet' }).waitFor();
  assert.match(await page.locator('pre').innerText(), new RegExp(`beacon-url="${collector}/v1/beacons"`));
  await close(page, 'empty');

  const watching = await open('/dashboard');
  await post(playedView(1));
  await becomes(tile(watching, 'Startup time'), '480 ms');
  await close(watching, 'first');
});

test('numbers, charts and the list are those of the beacons', async () => {
  await post(failedView(2));
  const page = await open('/dashboard');
  await becomes(tile(page, 'Concurrent viewers'), '1');
  await becomes(tile(page, 'Failures'), '50%');
  assert.equal(await tile(page, 'Rebuffer ratio').textContent(), '9.1%');
  assert.equal(await tile(page, 'Average bitrate').textContent(), '1.75 Mbps');
  const startup = page.locator('.tile', { hasText: 'Startup time' });
  assert.match(await startup.locator('.tile-detail').textContent(), /n = 1$/);
  assert.equal(await page.locator('.charts canvas').count(), 6);
  const rows = page.locator('tbody tr');
  assert.equal(await rows.count(), 2);
  const played = rows.filter({ hasText: 'Where rivers begin' });
  assert.deepEqual((await played.locator('td').allInnerTexts()).slice(2, 7).map((text) => text.trim()), ['Playing', '480 ms', '2.00 s · 1×', '1.75 Mbps', '22 s']);
  await page.getByRole('button', { name: 'Failed' }).click();
  await becomes(page.locator('tbody tr td:last-child'), 'manifest: the playlist is HTML');
  assert.match(page.url(), /filter=failed/);
  await page.getByRole('button', { name: 'Hour' }).click();
  await page.getByRole('heading', { name: 'Last hour' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Last hour' }).waitFor();
  await becomes(page.locator('tbody tr'), /^[^|]*Failed[^|]*$/);
  await close(page, 'overview');
});

test('a view opens by keyboard, has an address, and draws its timeline', async () => {
  const page = await open('/dashboard');
  const link = page.getByRole('link', { name: 'Where rivers begin' });
  await link.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Where rivers begin' }).waitFor();
  assert.equal(new URL(page.url()).pathname, `/dashboard/views/${viewId(1)}`);
  await becomes(page.locator('h1 + .badge'), 'Playing');
  assert.equal(await tile(page, 'Rebuffering').textContent(), '2.00 s');
  assert.equal(await page.locator('.timeline canvas').count(), 4);
  const shades = await page.evaluate(() => {
    const canvas = document.querySelectorAll('.timeline canvas')[1];
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, Math.round(height / 3), width, 1);
    let red = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] > data[at + 2] + 20) red += 1;
    return red / width;
  });
  assert.ok(shades > 0.05 && shades < 0.2, `2 s of 24 s are shaded, not ${shades}`);

  const lines = page.locator('.events li');
  const all = await lines.count();
  await page.getByRole('button', { name: 'Stalls' }).click();
  assert.deepEqual(await lines.locator('.what').allTextContents(), ['Rebuffering cause: network', 'Rebuffering ended after 2.00 s']);
  await page.getByRole('button', { name: 'Requests' }).click();
  assert.match((await lines.last().textContent()) ?? '', /video segment v720 at 0:08.0 · 1.0 MB in 1.10 s · first byte 100 ms · 8.00 Mbps/);
  await page.getByRole('button', { name: 'All', exact: true }).click();
  assert.equal(await lines.count(), all);

  // What comes while the page is open appears.
  const [last] = playedView(1).slice(-1);
  const ended = { ...last, seq: last.seq + 1, t_ms: 30_000, state: 'ended', counters: { ...last.counters, ended: true }, events: [{ t: 29_000, e: 'ended' }, { t: 30_000, e: 'view_end' }] };
  await post([ended]);
  await becomes(page.locator('h1 + .badge'), 'Ended');
  assert.equal(await lines.last().locator('.what').textContent(), 'View ended');
  await page.goBack();
  await page.getByRole('heading', { name: 'Views' }).waitFor();
  await close(page, 'back');

  const direct = await open(`/dashboard/views/${viewId(1)}`, { colorScheme: 'dark' });
  await direct.getByRole('heading', { level: 1, name: 'Where rivers begin' }).waitFor();
  await becomes(direct.locator('#freshness'), 'Complete');
  await close(direct, 'view-dark');
});

test('strings of beacons are text, whatever is in them', async () => {
  const title = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
  const beacons = failedView(3);
  beacons[0].info.video_title = title;
  beacons[0].info.browser = '</td><b>';
  beacons.at(-1).events.find(({ e }) => e === 'error').message = '<a href="javascript:alert(1)">click</a>';
  await post(beacons);
  const page = await open('/dashboard?filter=failed');
  await page.getByRole('link', { name: title }).click();
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
  await becomes(page.locator('.banner'), /<a href="javascript:alert\(1\)">click<\/a>$/);
  assert.equal(await page.locator('main img, main script, main a[href^=javascript]').count(), 0);
  assert.doesNotMatch(await page.title(), /^owned/);
  await close(page, 'hostile');
});

test('a view that does not exist yet is waited for', async () => {
  const page = await open(`/dashboard/views/${viewId(4)}`, { expect404: true });
  await page.getByRole('heading', { name: 'There is no such view' }).waitFor();
  await post(playedView(4));
  await page.getByRole('heading', { level: 1, name: 'Where rivers begin' }).waitFor();
  await close(page, 'missing');
});

test('on a phone nothing is wider than the screen', async () => {
  for (const [path, name] of [
    ['/dashboard', 'phone'],
    [`/dashboard/views/${viewId(1)}`, 'phone-view'],
  ]) {
    const page = await open(path, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    await page.locator('.tile-value').first().waitFor();
    await page.locator('canvas').first().waitFor();
    const { scrollWidth, innerWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, innerWidth }));
    assert.equal(scrollWidth, innerWidth, path);
    await close(page, name);
  }
});

test('a server that is gone is said to be', async () => {
  const page = await open('/dashboard');
  await becomes(page.locator('#freshness'), 'Live');
  await page.route('**/v1/**', (route) => route.abort());
  await becomes(page.locator('#freshness'), /^Not up to date/);
  await page.unroute('**/v1/**');
  await becomes(page.locator('#freshness'), 'Live');
  page.problems = page.problems.filter((problem) => !problem.includes('ERR_FAILED'));
  await close(page, 'gone');
});
