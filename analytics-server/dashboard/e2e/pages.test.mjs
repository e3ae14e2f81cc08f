// Trends, cohorts, comparison, the list of views and alerts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { becomes, Dashboard, goesTo } from './support/dashboard.mjs';
import { failedView, playedView } from './support/views.mjs';

const HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';

let dashboard;
before(async () => {
  dashboard = await Dashboard.start(['demo', 'other']);
  // 30 desktops of which 3 fail, 30 phones of which 15 fail, and one with a strange name.
  for (let at = 0; at < 60; at += 1) {
    const isPhone = at >= 30;
    const info = { device: isPhone ? 'phone' : 'desktop', cdn_host: isPhone ? 'cdn-b.example' : 'cdn-a.example' };
    const fails = isPhone ? at % 2 === 0 : at % 10 === 0;
    await dashboard.post(fails ? failedView(100 + at, info) : playedView(100 + at, info));
  }
  await dashboard.post(failedView(200, { device: HOSTILE, video_title: HOSTILE, cdn_host: 'cdn-a.example' }));
  await dashboard.has(61);
});
after(() => dashboard?.stop());

test('trends: metrics, a dimension and the period before are in the address', async () => {
  const page = await dashboard.open('/dashboard/trends?range=1h&metric=failure_pct,attempts');
  const failures = page.locator('.trend', { has: page.getByRole('heading', { name: 'Failure rate' }) });
  await becomes(failures.locator('tbody tr'), /^All views31%61$/);
  assert.equal(await page.locator('.trend canvas').count(), 2);
  await page.getByRole('button', { name: 'Break down' }).click();
  await page.getByRole('combobox', { name: 'Break down by…' }).fill('devi');
  await page.keyboard.press('Enter');
  await goesTo(page, 'by=device');
  await becomes(failures.locator('tbody tr', { hasText: 'phone' }), /^phone50%30$/);
  await page.getByLabel('Period before').check();
  await goesTo(page, 'prev=1');
  await becomes(failures.locator('thead th'), 'Group|Value|Before|Change|n');
  // A group that is clicked is a filter from then on.
  await failures.getByRole('button', { name: 'phone' }).click();
  await goesTo(page, 'filter=device%3Aeq%3Aphone');
  await becomes(page.locator('.chips .chip'), 'Device is phone');
  await page.reload();
  await becomes(failures.locator('tbody th'), 'All views');
  await becomes(failures.locator('tbody td').first(), '50%');
  await page.goBack();
  await becomes(page.locator('.chips .chip'), '');
  await dashboard.close(page, 'trends');
});

test('trends: a part of a chart that is drawn over becomes the range; keys read values', async () => {
  const page = await dashboard.open('/dashboard/trends?range=15m&metric=attempts');
  const over = page.locator('.trend .u-over');
  await over.waitFor();
  await becomes(page.locator('.trend tbody th'), 'All views');
  const { x, y, width, height } = await over.boundingBox();
  await page.mouse.move(x + width * 0.2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.9, y + height / 2, { steps: 5 });
  await page.mouse.up();
  await goesTo(page, 'from=', 'to=');
  await page.getByRole('link', { name: 'Zoom out' }).waitFor();
  await page.goBack();
  await goesTo(page, 'range=15m');
  await page.getByRole('group', { name: /Play attempts: arrow keys/ }).focus();
  await page.keyboard.press('End');
  await becomes(page.locator('.trend .chart-at'), /^\d\d:\d\d:\d\d · n = \d+$/);
  await dashboard.close(page, 'zoom');
});

test('the time is chosen by keyboard, in UTC if wanted', async () => {
  const page = await dashboard.open('/dashboard/trends', { timezoneId: 'Asia/Tokyo' });
  await becomes(page.locator('#freshness'), /^(Updated|Complete)/);
  await page.keyboard.press('t');
  await page.getByRole('button', { name: 'UTC' }).click();
  await goesTo(page, 'tz=utc');
  await page.getByLabel('From').fill('2024-05-17T20:00');
  await page.getByLabel('To', { exact: true }).fill('2024-05-17T19:00');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await becomes(page.getByRole('alert').filter({ hasText: 'end' }), 'The end must come after the beginning.');
  await page.getByLabel('To', { exact: true }).fill('2024-05-17T22:30');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await goesTo(page, `from=${Date.UTC(2024, 4, 17, 20)}`, `to=${Date.UTC(2024, 4, 17, 22, 30)}`);
  await becomes(page.locator('.time-picker .picker-text'), 'May 17, 20:00 – 22:30 UTC');
  await becomes(page.locator('.trends > .note'), /No view began in this time/);
  await page.keyboard.press('[');
  await goesTo(page, `to=${Date.UTC(2024, 4, 17, 20)}`);
  await dashboard.close(page, 'time');
});

test('filters are made, changed and removed by keyboard', async () => {
  const page = await dashboard.open('/dashboard/views?range=1h');
  await becomes(page.locator('#freshness'), 'Live');
  await page.keyboard.press('/');
  await page.getByRole('combobox', { name: 'Filter by…' }).fill('cdn');
  await page.getByRole('option', { name: /^CDN host/ }).waitFor();
  await page.keyboard.press('Enter');
  const values = page.getByRole('combobox', { name: 'CDN host…' });
  await page.getByRole('option', { name: /cdn-b\.example 30 views/ }).waitFor();
  await values.fill('cdn-b');
  await page.keyboard.press('Enter');
  await goesTo(page, 'filter=cdn_host%3Aeq%3Acdn-b.example');
  await page.keyboard.press('Escape');
  await becomes(page.locator('.chips .chip'), 'CDN host is cdn-b.example');
  await page.getByRole('button', { name: 'Failed' }).click();
  await goesTo(page, 'show=failed');
  await page.waitForFunction(() => document.querySelectorAll('table.views tbody tr').length === 15);
  await page.getByRole('button', { name: 'Remove the filter CDN host is cdn-b.example' }).click();
  await page.waitForFunction(() => document.querySelectorAll('table.views tbody tr').length === 19);
  assert.ok(!page.url().includes('filter='));
  await dashboard.close(page, 'views');
});

test('cohorts: the worst comes first, and leads to its trend, its views, and a comparison', async () => {
  const page = await dashboard.open('/dashboard/cohorts?range=1h&metric=failure_pct&by=device');
  const row = page.locator('table.ranking tbody tr').first();
  await becomes(row.locator('th'), 'Devicephone');
  assert.match(await page.locator('.summary').textContent(), /Failure rate is 31% overall of 61 views/);
  const cells = await row.locator('td').allTextContents();
  assert.deepEqual(cells.slice(0, 3), ['50%', '+19 pp', '30']);
  assert.match(await page.locator('.footnote').textContent(), /1 cohort with n < 25 left out.*bots left out/);
  await row.getByRole('link', { name: 'Compare' }).click();
  await goesTo(page, '/dashboard/compare', 'a=device%3Ane%3Aphone', 'b=device%3Aeq%3Aphone');
  const failures = page.locator('table.comparison tr', { has: page.getByRole('button', { name: 'Failure rate', exact: true }) });
  await becomes(failures.locator('td').nth(1), '50%n = 30');
  assert.equal(await failures.locator('.verdict').textContent(), 'B is worse');
  await page.goBack();
  await row.getByRole('link', { name: 'Views' }).click();
  await goesTo(page, '/dashboard/views', 'filter=device%3Aeq%3Aphone');
  await page.waitForFunction(() => document.querySelectorAll('table.views tbody tr').length === 30);
  await dashboard.close(page, 'cohorts');
});

test('compare: few views are said to be few, and A and B can be swapped', async () => {
  const page = await dashboard.open(`/dashboard/compare?range=1h&b=${encodeURIComponent(`device:eq:${HOSTILE}`)}`);
  await becomes(page.locator('.side-b .side-n'), '1 view: too few to say much');
  const failures = page.locator('table.comparison tr', { has: page.getByRole('button', { name: 'Failure rate', exact: true }) });
  await becomes(failures.locator('.verdict'), 'too few views');
  await failures.getByRole('button').click();
  await goesTo(page, 'metric=failure_pct');
  await becomes(page.locator('.compare .chart h3'), 'Failure rate');
  await page.getByRole('button', { name: 'Swap' }).click();
  await becomes(page.locator('.side-a .side-n'), '1 view: too few to say much');
  assert.equal(await page.locator('main img, main script').count(), 0);
  await dashboard.close(page, 'compare');
});

test('strings of beacons are text, whatever is in them', async () => {
  for (const path of ['trends?range=1h&by=device', `views?range=1h&filter=${encodeURIComponent(`device:eq:${HOSTILE}`)}`, 'cohorts?range=1h&metric=failure_pct&by=device&min_n=1']) {
    const page = await dashboard.open(`/dashboard/${path}`);
    await becomes(page.locator('main'), /<img src=x onerror=/);
    assert.equal(await page.locator('main img, main script, .bar img').count(), 0);
    assert.doesNotMatch(await page.title(), /owned/);
    await dashboard.close(page, `hostile-${path.split('?')[0]}`);
  }
});

test('a site of the list is all that is counted', async () => {
  const page = await dashboard.open('/dashboard/trends?range=1h&metric=attempts');
  await becomes(page.locator('.trend tbody td').first(), '61');
  await page.getByRole('combobox', { name: 'Site' }).selectOption('other');
  await goesTo(page, 'site=other');
  await becomes(page.locator('.trends > .note'), /No view began in this time/);
  await dashboard.close(page, 'site');
});

test('what cannot be answered is said, with the reason', async () => {
  const page = await dashboard.open('/dashboard/trends?metric=joy', { expected: '400' });
  await becomes(page.locator('.problem'), /there is no metric `joy`/);
  await page.goto(`${dashboard.origin}/dashboard/trends?filter=shoe%3Aeq%3Ared`);
  await becomes(page.locator('.problem'), /there is no dimension `shoe`/);
  await page.getByRole('button', { name: 'Remove the filter Shoe is red' }).click();
  await becomes(page.locator('#freshness'), /^Updated/);
  assert.ok(await page.locator('.problem').isHidden());
  await dashboard.close(page, 'problem');
});

test('alerts: rules are told in words; one that fires is everywhere and leads to its cohort', async () => {
  const page = await dashboard.open('/dashboard/alerts');
  await becomes(page.locator('.alerts .card-note').first(), /^All quiet: [1-9]\d* rules are being watched and none is firing\.$/);
  await becomes(page.locator('.rules li').first(), /Rebuffer ratio above 5\.0%, until it is below 3\.0% · over 5 min/);

  // An alert takes minutes of trouble: here one is put into the server's answer.
  const cohort = { by: { device: HOSTILE }, filters: [`device:eq:${HOSTILE}`], value: 0.4, n: 80, impact: 12 };
  const [firing, over] = ['firing', 'resolved'].map((state) => ({
    id: state, rule: 'rebuffering', metric: 'rebuffer_ratio', site: 'demo', state, since_ms: Date.now() - 600_000, fired_ms: Date.now() - 540_000,
    resolved_ms: state === 'resolved' ? Date.now() - 60_000 : null, value: 0.12, threshold: 0.05, baseline: null, n: 200, cohort,
  }));
  await page.route('**/v1/alerts*', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), alerts: [firing, over] } });
  });
  await page.reload();
  await becomes(page.locator('.alert-card .alert-value'), 'Rebuffer ratio: 12% (limit 5.0%) n = 200');
  await becomes(page.locator('#firing'), '1');
  await becomes(page.locator('table.history td').first(), /· 8 min$/);
  await page.locator('.alert-card').getByRole('link', { name: 'Trend' }).click();
  await goesTo(page, '/dashboard/trends', 'site=demo', 'metric=rebuffer_ratio', 'filter=device');
  await page.goto(`${dashboard.origin}/dashboard`);
  await becomes(page.locator('.banners a'), /^rebufferingRebuffer ratio 12% \(limit 5\.0%\) · mostly Device: <img src=x/);
  assert.equal(await page.locator('main img, main script').count(), 0);
  assert.doesNotMatch(await page.title(), /owned/);
  await dashboard.close(page, 'alerts');
});
