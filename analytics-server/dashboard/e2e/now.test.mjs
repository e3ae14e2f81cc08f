// The first page, and the window around all of them, before a server that got its beacons over HTTP.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { becomes, Dashboard, goesTo, tile } from './support/dashboard.mjs';
import { failedView, playedView } from './support/views.mjs';

let dashboard;
before(async () => {
  dashboard = await Dashboard.start();
});
after(() => dashboard?.stop());

test('without views it says how to get some, and notices the first one by itself', async () => {
  const page = await dashboard.open('/dashboard');
  await page.getByRole('heading', { name: 'No views yet' }).waitFor();
  assert.match(await page.locator('pre').innerText(), new RegExp(`beacon-url="${dashboard.collector}/v1/beacons"`));
  await dashboard.post(playedView(1));
  await becomes(tile(page, 'Startup time, median'), '480 ms');
  assert.ok(await page.getByRole('heading', { name: 'No views yet' }).isHidden());
  await dashboard.close(page, 'first');
});

test('the numbers of now come as a stream', async () => {
  await dashboard.post(failedView(2));
  const page = await dashboard.open('/dashboard');
  const types = [];
  page.on('response', (response) => response.url().includes('/v1/live') && types.push(response.headers()['content-type']));
  await page.reload();
  await becomes(page.locator('.hero-value'), '1');
  await becomes(tile(page, 'Failure rate'), '50%');
  await becomes(tile(page, 'Rebuffer ratio'), '9.1%');
  await becomes(tile(page, 'Average bitrate'), '1.75 Mbps');
  await becomes(page.locator('.tile', { hasText: 'Startup time, median' }).locator('.tile-detail'), /^n = 1 in 5 min$/);
  assert.ok(types.length > 0 && types.every((type) => type === 'text/event-stream'), String(types));
  await dashboard.post(playedView(3));
  await becomes(page.locator('.hero-value'), '2');
  await becomes(page.locator('.state-names'), /playing 2/);
  await becomes(page.locator('table.views a'), 'Harbour at dawn');
  await dashboard.close(page, 'now');
});

test('a server that is gone is said to be', async () => {
  const page = await dashboard.open('/dashboard', { expected: 'ERR_FAILED' });
  await becomes(page.locator('#freshness'), 'Live');
  await page.route('**/v1/**', (route) => route.abort());
  await page.keyboard.press('r');
  await becomes(page.locator('#freshness'), /^Not up to date/);
  await page.unroute('**/v1/**');
  await becomes(page.locator('#freshness'), 'Live');
  await dashboard.close(page, 'gone');
});

test('keys lead everywhere', async () => {
  const page = await dashboard.open('/dashboard?range=1h');
  await page.getByRole('heading', { name: 'Concurrent viewers', exact: true }).waitFor();
  for (const [key, path] of [['t', 'trends'], ['c', 'cohorts'], ['o', 'compare'], ['v', 'views'], ['a', 'alerts']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await goesTo(page, `/dashboard/${path}?range=1h`);
    assert.equal(await page.locator('nav [aria-current]').textContent(), path.charAt(0).toUpperCase() + path.slice(1));
  }
  await page.goBack();
  await goesTo(page, '/dashboard/views');
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await help.waitFor();
  await page.keyboard.press('Escape');
  assert.ok(await help.isHidden());
  // What is typed is no command.
  await page.getByRole('searchbox', { name: 'View id' }).fill('g t');
  assert.match(page.url(), /\/dashboard\/views/);
  await dashboard.close(page, 'keys');
});

test('a theme that was chosen stays, and is there before the first paint', async () => {
  const page = await dashboard.open('/dashboard/trends', { colorScheme: 'light' });
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await back();
  await page.keyboard.press('d');
  assert.notEqual(await back(), light);
  await page.reload();
  assert.notEqual(await back(), light);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.getByRole('button', { name: 'Show in light colours' }).click();
  assert.equal(await back(), light);
  await dashboard.close(page, 'light');
});

test('on a phone nothing is wider than the screen', async () => {
  for (const path of ['', '/trends?by=device&prev=1', '/cohorts', '/compare?b=device:eq:phone', '/views', '/alerts']) {
    const page = await dashboard.open(`/dashboard${path}`, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    await becomes(page.locator('#freshness'), /^(Live|Updated|Complete)/);
    const { scrollWidth, clientWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth }));
    assert.equal(scrollWidth, clientWidth, path);
    await dashboard.close(page, `phone${path.split('?')[0].replace('/', '-')}`);
  }
});
