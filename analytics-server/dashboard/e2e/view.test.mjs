// One view: its timeline, requests and events.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { becomes, Dashboard, goesTo, tile } from './support/dashboard.mjs';
import { failedView, playedView, viewId } from './support/views.mjs';

let dashboard;
before(async () => {
  dashboard = await Dashboard.start();
  await dashboard.post([...playedView(1), ...failedView(2)]);
  await dashboard.has(2);
});
after(() => dashboard?.stop());

test('a view opens by keyboard, has an address, and draws its timeline', async () => {
  const page = await dashboard.open('/dashboard/views');
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
  await dashboard.post([ended]);
  await becomes(page.locator('h1 + .badge'), 'Ended');
  assert.equal(await lines.last().locator('.what').textContent(), 'View ended');
  await page.goBack();
  await page.getByRole('link', { name: 'Where rivers begin' }).waitFor();
  await dashboard.close(page, 'view-back');
});

test('keys zoom and walk; what is zoomed is in the address', async () => {
  const page = await dashboard.open(`/dashboard/views/${viewId(1)}`, { colorScheme: 'dark' });
  const requests = page.locator('table.waterfall tbody tr');
  await becomes(requests.locator('th'), 'video segment v480 · 0:00.0|video segment v480 · 0:04.0|video segment v720 · 0:08.0');
  await page.keyboard.press('+');
  await goesTo(page, 'zoom=7500-22500');
  await becomes(requests.locator('th'), 'video segment v720 · 0:08.0');
  await page.keyboard.press('ArrowLeft');
  await goesTo(page, 'zoom=3750-18750');
  await page.reload();
  await becomes(page.locator('.heading-end .note'), '0:03.8 – 0:18.8');
  await page.keyboard.press('n');
  await becomes(page.locator('.events [aria-current] b'), 'Rebuffering');
  await page.keyboard.press('j');
  await becomes(page.locator('.events [aria-current] b'), 'Rebuffering ended');
  await page.keyboard.press('Escape');
  await becomes(page.locator('.heading-end .note'), /^Drag/);
  assert.ok(!page.url().includes('zoom'));
  await dashboard.close(page, 'view-dark');
});

test('strings of a view are text, whatever is in them', async () => {
  const title = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
  const beacons = failedView(3, { video_title: title, browser: '</td><b>' });
  beacons.at(-1).events.find(({ e }) => e === 'error').message = '<a href="javascript:alert(1)">click</a>';
  await dashboard.post(beacons);
  const page = await dashboard.open('/dashboard/views?show=failed');
  await page.getByRole('link', { name: title }).click();
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
  await becomes(page.locator('.banner'), /<a href="javascript:alert\(1\)">click<\/a>$/);
  assert.equal(await page.locator('main img, main script, main a[href^=javascript]').count(), 0);
  assert.doesNotMatch(await page.title(), /^owned/);
  await dashboard.close(page, 'view-hostile');
});

test('a view is found by its id; one that does not exist yet is waited for', async () => {
  const page = await dashboard.open('/dashboard/views', { expected: '404' });
  await page.getByRole('searchbox', { name: 'View id' }).fill(` ${viewId(4)} `);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'There is no such view' }).waitFor();
  await dashboard.post(playedView(4));
  await page.getByRole('heading', { level: 1, name: 'Where rivers begin' }).waitFor();
  await dashboard.close(page, 'view-missing');
});

test('on a phone a view is not wider than the screen', async () => {
  const page = await dashboard.open(`/dashboard/views/${viewId(1)}`, { viewport: { width: 360, height: 740 } });
  await page.locator('.timeline canvas').first().waitFor();
  const { scrollWidth, clientWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth }));
  assert.equal(scrollWidth, clientWidth);
  await dashboard.close(page, 'phone-view');
});
