// The same in Firefox, whose source buffers and key system are other ones.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { hasFirefox, startFirefox } from '../support/firefox.mjs';
import { ANY_SIZE, assertKept, failure, play, playsTo, shows, warnings } from '../support/protected.mjs';

export function firefox(lab) {
  describe('Firefox', { skip: !hasFirefox && 'Firefox ESR is not installed' }, () => {
    let browser;
    let page;
    before(async () => {
      browser = await startFirefox();
    });
    after(() => browser?.close());
    beforeEach(async () => {
      lab.licence.reset();
      lab.site.server.beacons.length = 0;
      page = await browser.open(`${lab.site.server.origin}/element.html`);
    });
    afterEach(() => page.close());

    for (const scheme of ['cenc', 'cbcs']) {
      test(`${scheme}, DASH: keys for sound, SD and HD`, async () => {
        await play(page, lab, lab.url(scheme, 'dash'), { config: ANY_SIZE });
        await playsTo(page, 3);
        await shows(page, lab);
        const { frames, width } = await page.evaluate(() => ({ frames: video.getVideoPlaybackQuality().totalVideoFrames, width: video.videoWidth }));
        assert.ok(frames > 30 && width === 1280, `${frames} frames, ${width} pixels wide`);
        assert.deepEqual(await warnings(page), []);
        assert.ok(lab.licence.requests.length >= 1 && lab.licence.requests.every(({ status }) => status === 200));
        assert.deepEqual(page.problems, []);
        await assertKept(page, lab, { sent: [], said: page.said });
      });
    }

    test('a licence that is refused is an error', async () => {
      await play(page, lab, lab.url('cbcs', 'dash'), { token: 'no-such-token-0123456789' });
      const { drm } = await failure(page);
      assert.deepEqual([drm?.kind, drm?.status], ['request-http', 401]);
    });
  });
}
