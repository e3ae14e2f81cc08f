// In Media Chrome, around a plain <video>, and what is reported and recorded.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { shoot, start } from './support/browser.mjs';
import { makeShow } from './support/containers.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const HLS = '/stream/hls.m3u8';

describe('embedding', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start(makeShow);
  });
  after(() => site?.close());
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  test('Media Chrome controls it', async () => {
    page = await site.open('/media-chrome.html');
    await page.evaluate(() => { globalThis.video = document.querySelector('headgate-video'); });
    await until(page, () => video.readyState >= 3);
    const play = page.locator('media-play-button');
    const shown = (paused) => document.querySelector('media-play-button').hasAttribute('mediapaused') === paused;
    await until(page, shown, true);
    await play.click();
    await plays(page);
    await until(page, shown, false);
    await page.mouse.move(400, 200);
    await until(page, () => document.querySelector('media-time-range').hasAttribute('mediaduration'));

    const box = await page.locator('media-time-range').boundingBox();
    await page.mouse.click(box.x + box.width * 0.75, box.y + box.height / 2);
    await until(page, () => video.currentTime > 9 && !video.seeking);
    await plays(page);

    await page.locator('media-rendition-menu-button').click();
    const items = page.locator('media-rendition-menu [role^=menuitem]');
    await until(page, () => document.querySelector('media-rendition-menu').shadowRoot.querySelectorAll('[role^=menuitem]').length === 4);
    await shoot(page, 'media-chrome');
    await items.filter({ hasText: '144' }).click();
    await until(page, () => video.api.selectedRendition === '144p');
    await play.click();
    await until(page, () => video.paused);
  });

  test('Media Chrome previews what is pointed at, and shows captions', async () => {
    page = await site.open('/media-chrome.html');
    await page.evaluate(() => {
      globalThis.video = document.querySelector('headgate-video');
      video.src = '/stream/show/show.mpd';
    });
    await until(page, () => video.readyState >= 3 && !video.seeking && video.duration === 24);
    await page.locator('media-play-button').click();
    await until(page, () => video.api.thumbnailAt(12));
    const box = await page.locator('media-time-range').boundingBox();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2);
    const preview = () => {
      const range = document.querySelector('media-time-range');
      return range.shadowRoot.querySelector('media-preview-thumbnail');
    };
    // 14 s of 24: the fifteenth tile, last of the third row.
    await until(page, (preview) => /tiles-1\.jpg$/.test(eval(preview)().getAttribute('mediapreviewimage')?.split('#')[0] ?? ''), `(${preview})`);
    assert.equal(await page.evaluate((preview) => eval(preview)().getAttribute('mediapreviewcoords'), `(${preview})`), '640 180 160 90');
    await until(page, (preview) => eval(preview)().shadowRoot.querySelector('img').naturalWidth === 800, `(${preview})`);
    await page.waitForTimeout(500);
    await shoot(page, 'thumbnails', page.locator('media-controller'));

    const captions = page.locator('media-captions-button');
    await captions.click();
    await until(page, () => [...video.textTracks].some(({ kind, mode }) => kind === 'captions' && mode === 'showing'));
    await page.evaluate(() => { video.currentTime = 18; });
    await until(page, () => [...video.textTracks].find(({ kind }) => kind === 'captions').activeCues?.[0]?.text === '<i>Nobody has seen its edge.</i>');
    await until(page, () => video.currentTime > 19);
    await page.mouse.move(300, 150);
    await page.waitForTimeout(500);
    await shoot(page, 'captions', page.locator('media-controller'));
    await captions.click();
    await until(page, () => [...video.textTracks].every(({ kind, mode }) => kind !== 'captions' || mode === 'disabled'));
  });

  test('a plain <video>, whose log replays natively to the same outputs', async (t) => {
    page = await site.open('/plain.html');
    await page.evaluate(() => { globalThis.video = document.querySelector('video'); });
    await page.evaluate((src) => {
      player.load(src, { startTime: 2 });
      return video.play();
    }, HLS);
    await plays(page);
    await page.evaluate(() => { video.currentTime = 10; });
    await until(page, () => !video.seeking && video.currentTime > 10);
    assert.equal(await page.evaluate(() => player.protocol), 'hls');
    const log = await page.evaluate(() => player.exportLog());
    await page.evaluate(() => player.detach());
    await until(page, () => video.readyState === 0 && !video.getAttribute('src'));
    assert.ok((await page.evaluate(() => player.exportLog())).startsWith(log), 'the log outlives the player');

    assert.equal(JSON.parse(log.slice(0, log.indexOf('\n'))).headgate_log, 1);
    const simulator = join(process.env.HEADGATE_BIN_DIR ?? '', 'headgate-sim');
    if (!process.env.HEADGATE_BIN_DIR || !existsSync(simulator)) return t.diagnostic('not replayed: no headgate-sim here');
    const folder = mkdtempSync(join(tmpdir(), 'headgate-log-'));
    try {
      writeFileSync(join(folder, 'log.jsonl'), log);
      // It fails if an output differs.
      execFileSync(simulator, ['replay', join(folder, 'log.jsonl')], { timeout: 60_000, stdio: 'pipe' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('the driver needs messages only: it runs in a worker', async () => {
    page = await site.open('/worker.html');
    await plays(page);
    await page.evaluate(() => { video.currentTime = 12; });
    await until(page, () => !video.seeking && video.currentTime > 12);
    await plays(page);
    const types = await page.evaluate(() => video.seen.map(({ type, event }) => event?.type ?? type));
    for (const type of ['attach', 'loaded', 'rendition', 'state']) assert.ok(types.includes(type), `${type} of ${types}`);
  });

  test('beacons tell the view, up to its end', async () => {
    page = await site.open('/element.html');
    site.server.beacons.length = 0;
    await mount(page, { src: HLS, autoplay: '', 'site-key': 'demo', 'beacon-url': '/v1/beacons', 'video-id': 'v1', 'video-title': 'Bars' });
    await until(page, () => video.currentTime > 2);
    const { currentTime } = await state(page);
    // Leaves the page: what is left to say goes through sendBeacon.
    await page.goto('about:blank');
    await arrived(site, ({ events }) => events?.some(({ e }) => e === 'view_end'));

    const { beacons } = site.server;
    const ids = new Set(beacons.map(({ view_id }) => view_id));
    assert.equal(ids.size, 1);
    const bySeq = [...beacons].sort((a, b) => a.seq - b.seq);
    assert.deepEqual([...new Set(bySeq.map(({ seq }) => seq))], bySeq.map((_, i) => i), 'none is missing or sent twice');
    for (const { type, site: key } of beacons) assert.deepEqual([type.split(';')[0], key], ['text/plain', 'demo']);
    const info = bySeq.at(-1).info;
    assert.equal(info.video_id, 'v1');
    assert.equal(info.video_title, 'Bars');
    assert.equal(info.protocol, 'hls');
    assert.deepEqual([info.browser, info.os, info.device, info.page_host], ['Chrome', 'Linux', 'desktop', '127.0.0.1']);
    assert.equal(info.ladder.length, 3);
    const { counters } = bySeq.at(-1);
    assert.ok(counters.startup_ms > 0 && counters.startup_ms < 5000, `startup ${counters.startup_ms}`);
    assert.ok(Math.abs(counters.media_ms - currentTime * 1000) < 700, `${counters.media_ms} of ${currentTime} s`);
    assert.ok(counters.bytes > 0 && counters.decoded_frames > 0);
  });

  test('beacons that a collector cannot take come later', async () => {
    page = await site.open('/element.html');
    site.server.beacons.length = 0;
    let refused = 0;
    site.server.collectorFault = () => (refused++ < 2 ? 503 : undefined);
    await mount(page, { src: HLS, autoplay: '', 'site-key': 'demo', 'beacon-url': '/v1/beacons' });
    await arrived(site, ({ seq }) => seq === 0);
    assert.ok(refused >= 2);
    site.server.collectorFault = undefined;
    await plays(page);
  });

  test('a collector that refuses is complained of once', async () => {
    page = await site.open('/element.html');
    site.server.collectorFault = () => 403;
    const before = site.server.requests.length;
    await mount(page, { src: HLS, autoplay: '', 'site-key': 'wrong', 'beacon-url': '/v1/beacons' });
    await plays(page);
    await page.evaluate(() => video.removeAttribute('src'));
    const sent = () => site.server.requests.slice(before).filter(({ path }) => path === '/v1/beacons').length;
    for (const end = Date.now() + 10_000; sent() < 2 && Date.now() < end; ) await page.waitForTimeout(50);
    assert.ok(sent() >= 2);
    site.server.collectorFault = undefined;
    const warnings = (await state(page)).seen.filter(({ type }) => type === 'headgate-warning');
    assert.deepEqual(warnings.map(({ detail }) => detail.kind), ['network']);
    assert.match(warnings[0].detail.message, /\/v1\/beacons refused a beacon with status 403: check the site key/);
  });

  test('without a site key nothing is reported', async () => {
    page = await site.open('/element.html');
    const before = site.server.requests.length;
    await mount(page, { src: HLS, autoplay: '', 'beacon-url': '/v1/beacons' });
    await plays(page);
    await page.evaluate(() => video.remove());
    await page.waitForTimeout(300);
    assert.ok(!site.server.requests.slice(before).some(({ path }) => path.includes('beacons')));
  });
});

async function arrived(site, wanted) {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (site.server.beacons.some(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`that beacon never came: ${wanted}\n${JSON.stringify(site.server.beacons, null, 1)}`);
}
