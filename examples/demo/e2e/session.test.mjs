// One path through every room: encoder → origin → player in Chromium → collector → store → dashboard.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { plays, seen, shoot, startBrowser, until } from './support/browser.mjs';
import { eventually, small, startDemo } from './support/demo.mjs';

const CLIP_S = 30;

/** Fast enough for the highest rendition, then an outage longer than what is buffered, then room for the lowest alone. */
const FALLING = {
  name: 'falling',
  latency_ms: 20,
  steps: [
    { duration_ms: 3_000, bandwidth_kbps: 1500 },
    { duration_ms: 7_000, bandwidth_kbps: 0 },
    { duration_ms: 600_000, bandwidth_kbps: 420 },
  ],
};

describe('a session', { timeout: 420_000 }, () => {
  const data = mkdtempSync(join(tmpdir(), 'headgate-demo-'));
  let demo;
  let browser;
  before(async () => {
    demo = await startDemo(data, small(CLIP_S));
    browser = await startBrowser();
  }, { timeout: 180_000 });
  after(async () => {
    await browser?.close();
    await demo?.stop();
    rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  });

  for (const protocol of ['hls', 'dash']) {
    test(`plays ${protocol} down a falling network, and the dashboard knows it`, { timeout: 180_000 }, async (t) => {
      await demo.shape(FALLING);
      const page = await browser.open(`${demo.url}?protocol=${protocol}`);
      await plays(page);
      await until(page, () => globalThis.seen.rebufferMs > 500, undefined, 60_000);
      await plays(page);
      await until(page, (end) => video.currentTime > end, CLIP_S - 10, 90_000);
      await shoot(page, `session-${protocol}`);
      const observed = await seen(page);
      const shown = await page.evaluate(() => document.getElementById('startup').textContent);
      // Leaving the page ends the view.
      await page.goto('about:blank');
      await page.close();

      const { view, events } = await finishedView(protocol);
      const { heights } = observed;
      assert.ok(heights.at(-1) < heights[0], `no switch down: ${heights}`);
      assert.equal(view.switches_down >= 1, true, 'the beacons know of no switch down');
      for (const [what, found, expected, tolerance] of [
        ['start-up, ms', view.startup_ms, observed.startupMs, 250],
        ['start-up on the page, ms', Number.parseInt(shown, 10), observed.startupMs, 250],
        ['played time, ms', view.played_ms, observed.playedMs, 700],
        ['media time, ms', view.media_ms, observed.mediaMs, 700],
        ['rebuffering, ms', view.rebuffer_ms, observed.rebufferMs, 500],
        ['average bitrate, kbit/s', view.avg_bitrate_kbps, observed.kbpsMediaMs / observed.mediaMs, 40],
        ['frames', view.decoded_frames, observed.frames, 30],
      ]) {
        t.diagnostic(`${protocol}: ${what}: dashboard ${Math.round(found)}, observed ${Math.round(expected)}`);
        near(what, found, expected, tolerance);
      }
      const halts = events.filter(({ e }) => e === 'rebuffer_start');
      assert.ok(halts.every(({ cause }) => cause === 'network'), `the outage was the network’s: ${JSON.stringify(halts)}`);
      assert.equal(view.rebuffer_network_ms, view.rebuffer_ms);
      assert.equal(view.duration_ms > (CLIP_S - 1) * 1000, true);
      assert.deepEqual([view.site, view.video_title, view.fatal], ['demo', demo.demo.title, null]);
      assert.equal(view.ladder.length, 3);
      assert.ok(!view.source.includes('?'), view.source);

      const names = new Set(events.map(({ e }) => e));
      for (const name of ['first_frame', 'manifest', 'rebuffer_start', 'rebuffer_end', 'rendition', 'request', 'sample', 'view_end']) {
        assert.ok(names.has(name), `the timeline has no ${name}: ${[...names]}`);
      }
    });
  }

  test('the overview adds both up, and the dashboard shows them', { timeout: 90_000 }, async () => {
    const { views } = await demo.json('v1/views');
    assert.equal(views.length, 2);
    const sum = (name) => views.reduce((total, view) => total + view[name], 0);
    const { totals } = await eventually('no viewer', () => demo.json('v1/overview'), (overview) => overview.concurrent_viewers === 0);
    assert.deepEqual([totals.views, totals.plays, totals.failures], [2, 2, 0]);
    near('played time', totals.played_ms, sum('played_ms'), 1);
    near('rebuffer ratio', totals.rebuffer_ratio, sum('rebuffer_ms') / (sum('played_ms') + sum('rebuffer_ms')), 1e-6);
    near('average bitrate', totals.avg_bitrate_kbps, sum('bitrate_kbps_media_ms') / sum('media_ms'), 0.01);
    const startups = views.map(({ startup_ms }) => startup_ms);
    near('start-up p50', totals.startup_ms.p50, (startups[0] + startups[1]) / 2, 1);

    const page = await browser.open(`${demo.url}dashboard/views`);
    const text = () => page.evaluate(() => document.body.innerText);
    await eventually('the list of views', text, (body) => body.split(demo.demo.title).length === 3);
    await shoot(page, 'dashboard');
    await page.goto(`${demo.url}dashboard/views/${views[0].view_id}`);
    await eventually('the view’s page', text, (body) => body.includes(demo.demo.title) && /144p|rebuffer/i.test(body));
    await shoot(page, 'dashboard-view');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  test('the visitor sets protocol and network on the page', { timeout: 120_000 }, async () => {
    await demo.shape({});
    const page = await browser.open(demo.url);
    await plays(page);
    await page.selectOption('#throttle', '1mbps');
    await eventually('the network', () => demo.json('videos/_origin/shape'), (shape) => shape?.name === '1mbps');
    await page.locator('label', { hasText: 'DASH' }).click();
    await until(page, () => video.api.protocol === 'dash');
    await plays(page);
    assert.match(page.url(), /throttle=1mbps.*protocol=dash/);
    await page.selectOption('#throttle', 'none');
    await eventually('the network', () => demo.json('videos/_origin/shape'), (shape) => shape === null);
    // Without limits, nothing keeps it from the highest rendition.
    await until(page, () => video.videoHeight === 360, undefined, 40_000);
    await shoot(page, 'page');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  /** The newest view of this protocol, once it has ended. */
  async function finishedView(protocol) {
    const { views } = await eventually(
      'the view’s end',
      () => demo.json('v1/views'),
      ({ views }) => views.some((view) => view.protocol === protocol && view.view_end),
    );
    return demo.json(`v1/views/${views.find((view) => view.protocol === protocol).view_id}`);
  }
});

function near(what, found, expected, tolerance) {
  assert.ok(Math.abs(found - expected) <= tolerance, `${what}: ${found} is not ${expected} ± ${tolerance}`);
}
