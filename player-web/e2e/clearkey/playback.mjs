// What is played, and what of it.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { until } from '../support/page.mjs';
import { ANY_SIZE, hasPackager, play, playsTo, SECONDS, shows, warnings } from '../support/protected.mjs';
import { withPage } from '../support/with-page.mjs';

const PROTOCOLS = ['hls', 'dash'];

export function playback(lab) {
  describe('playback', () => {
    const here = withPage(lab);

    /** From its beginning to its end, with a look at its pictures at these times. */
    async function playThrough(name, protocol, times, options) {
      const { page } = here;
      await play(page, lab, lab.url(name, protocol), options);
      for (const time of times) {
        await playsTo(page, time);
        await shows(page, lab);
        await page.evaluate(() => (video.playbackRate = 2));
      }
      await page.evaluate((to) => (video.currentTime = to), SECONDS - 1);
      await until(page, () => video.error || video.ended);
      const seen = await page.evaluate(() => ({
        error: video.error?.message,
        heard: video.nativeEl.webkitAudioDecodedByteCount,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        widths: [...new Set(video.shown.map(({ width }) => width))],
      }));
      assert.equal(seen.error, undefined);
      assert.ok(seen.heard > 10_000 && seen.frames > 60, JSON.stringify(seen));
      assert.deepEqual(await warnings(page), []);
      return seen.widths;
    }

    for (const scheme of ['cenc', 'cbcs']) {
      for (const protocol of PROTOCOLS) {
        test(`${scheme}, ${protocol}: keys for sound, SD and HD`, async () => {
          const widths = await playThrough(scheme, protocol, [2], { config: ANY_SIZE });
          assert.ok(widths.includes(1280), `sizes ${widths}`);
          assert.ok(lab.licence.requests.length >= 1 && lab.licence.requests.every(({ status }) => status === 200));
        });

        test(`${scheme}, ${protocol}: the key for HD is withheld`, async () => {
          const widths = await playThrough(scheme, protocol, [2], { config: ANY_SIZE, token: lab.licence.issue(['audio', 'sd']) });
          assert.ok(widths.includes(640) && !widths.includes(1280), `sizes ${widths}`);
        });
      }
    }

    for (const scheme of ['cenc', 'cbcs']) {
      for (const protocol of PROTOCOLS) {
        test(`${scheme} by Shaka Packager, ${protocol}`, { skip: !hasPackager && 'Shaka Packager is not here' }, async () => {
          const widths = await playThrough(`shaka-${scheme}`, protocol, [2], { config: ANY_SIZE });
          assert.ok(widths.includes(854), `sizes ${widths}`);
        });
      }
    }

    for (const protocol of PROTOCOLS) {
      test(`keys that change every four seconds, ${protocol}`, async () => {
        await playThrough('rotation', protocol, [1, 5, 9], { config: { buffer: { goalS: 4 } } });
        const asked = new Set(lab.licence.requests.flatMap(({ kids }) => kids));
        // Of three periods, for sound and pictures.
        assert.ok(asked.size >= 6, `${asked.size} keys`);
      });
    }

    test('a clear beginning does not wait for the licence', async () => {
      const { page } = here;
      lab.licence.delayMs = 2500;
      await play(page, lab, lab.url('lead', 'dash'));
      await playsTo(page, 0.5);
      await shows(page, lab);
      assert.ok(!lab.licence.requests.some(({ answered }) => answered), 'the licence was there before');
      await playsTo(page, 5);
      await shows(page, lab);
      assert.ok(lab.licence.requests.some(({ answered }) => answered));
      assert.deepEqual(await warnings(page), []);
    });

    test('keys of the page, without a server', async () => {
      const { page } = here;
      await play(page, lab, lab.url('cbcs', 'dash'), { drm: { clearKeys: lab.keys('cbcs') } });
      await playsTo(page, 2);
      await shows(page, lab);
      assert.equal(lab.licence.requests.length, 0);
    });

    for (const protocol of PROTOCOLS) {
      test(`the licence is asked for while the first segment comes, ${protocol}`, async () => {
        const { page, heard } = here;
        // Other tests have been here.
        const devtools = await page.context().newCDPSession(page);
        await devtools.send('Network.enable');
        await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
        await lab.origin.shape({ rate_kbps: 8000, latency_ms: 100 });
        await play(page, lab, lab.url('cenc', protocol));
        await playsTo(page, 0.5);
        const asked = heard.events.findIndex(({ type, url, method }) => type === 'request' && method === 'POST' && url === lab.licence.url);
        const arrived = heard.events.findIndex(({ type, url }) => type === 'finished' && /\/\d+p\/\d+\.m4s/.test(url));
        assert.ok(asked !== -1 && arrived !== -1 && asked < arrived, `asked at ${asked}, the segment is there at ${arrived}`);
        assert.deepEqual(await warnings(page), []);
      });
    }

    afterEach(() => lab.origin.shape({}));
  });
}
