// The encrypted video: encoder → encryption → licence server → entitlement → player in Chromium.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { plays, shoot, startBrowser, until } from './support/browser.mjs';
import { small, startDemo } from './support/demo.mjs';

describe('protection', { timeout: 300_000 }, () => {
  const data = mkdtempSync(join(tmpdir(), 'headgate-demo-'));
  let demo;
  let browser;
  before(async () => {
    demo = await startDemo(data, small(12));
    browser = await startBrowser();
  }, { timeout: 180_000 });
  after(async () => {
    await browser?.close();
    await demo?.stop();
    rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  });

  for (const protocol of ['hls', 'dash']) {
    test(`gives the keys of encrypted ${protocol} to who has the right, and says so to who has not`, { timeout: 90_000 }, async () => {
      const page = await browser.open(`${demo.url}?protocol=${protocol}&protection=full`);
      await plays(page);
      await until(page, () => video.currentTime > 2 && video.nativeEl.mediaKeys !== null, undefined, 30_000);
      await page.selectOption('#protection', { value: 'none' });
      await until(page, () => video.error !== null, undefined, 30_000);
      await shoot(page, `protected-${protocol}`);
      const seen = await page.evaluate(() => ({
        drm: video.error.drm,
        title: document.getElementById('error-title').textContent,
        text: document.querySelector('.error-text').textContent,
      }));
      assert.equal(seen.drm.status, 403);
      assert.match(`${seen.title}: ${seen.text}`, /Not in your subscription: You have no right/);
      // What is not encrypted plays on.
      await page.selectOption('#protection', { value: 'clear' });
      await until(page, () => video.error === null && video.currentTime > 1, undefined, 30_000);
      await page.goto('about:blank');
      await page.close();
    });
  }
});
