// `headgate/abr` in a browser: hls.js with the controller that the README shows.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from './support/browser.mjs';
import { unharmed } from './support/page.mjs';

const README = fileURLToPath(new URL('../README.md', import.meta.url));
const HLS_JS = dirname(fileURLToPath(import.meta.resolve('hls.js')));

describe('hls.js', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-readme-'));
  let site;
  let page;
  before(async () => {
    const [, code] = readFileSync(README, 'utf8').match(/<!-- e2e\/abr\.test\.mjs runs this\. -->\n```js\n(.*?)```/s);
    writeFileSync(join(folder, 'controller.js'), `${code}\nexport { hls };\n`);
    site = await start();
    // First, because "/" is last.
    site.server.roots = { '/hls.js/': HLS_JS, '/readme/': folder, ...site.server.roots };
  });
  after(async () => {
    await site?.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  /** Plays until `segments` were downloaded. */
  async function play(segments) {
    page = await site.open('/hls-js.html');
    await page.waitForFunction(() => globalThis.hls).catch((error) => {
      throw new Error(`${error.message}\n${page.problems.join('\n')}`);
    });
    await page.evaluate(() => {
      hls.loadSource('/stream/hls.m3u8');
      video.play();
    });
    await page.waitForFunction((n) => video.currentTime > 0 && log.levels.length >= n, segments, { timeout: 60_000 });
    const result = await page.evaluate(() => ({ ...log, best: hls.levels.length - 1, estimate: hls.abrController.abr.estimate }));
    await page.evaluate(() => hls.destroy());
    return result;
  }

  test('climbs by the choices of headgate/abr', async () => {
    const { best, estimate, levels } = await play(7);
    assert.equal(levels.at(-1), best, String(levels));
    assert.ok(estimate > 2e6, String(estimate));
  });

  test('gives up what takes too long', async () => {
    site.server.bytesPerSecond = 20_000;
    const { abandoned, levels } = await play(2);
    assert.ok(abandoned > 0);
    assert.equal(levels.at(-1), 0, String(levels));
  });
});
