// Keys without a key system: MPEG-TS of HLS, from our encoder.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../support/page.mjs';
import { play, playsTo, shows, warnings } from '../support/protected.mjs';
import { withPage } from '../support/with-page.mjs';

const STREAMS = {
  aes128: 'AES-128, the vector by the sequence number',
  'aes128-iv': 'AES-128, the vector in the playlist',
  sampleaes: 'SAMPLE-AES',
};

export function transport(lab) {
  describe('transport streams', () => {
    const here = withPage(lab);

    for (const [name, what] of Object.entries(STREAMS)) {
      test(what, async () => {
        const { page } = here;
        await play(page, lab, lab.url(name, 'hls'), { drm: undefined });
        await playsTo(page, 1);
        await shows(page, lab);
        // In a segment further on, too.
        await page.evaluate(() => (video.currentTime = 6.5));
        await until(page, () => video.error || (!video.seeking && video.currentTime > 6.6));
        await shows(page, lab);
        await until(page, () => video.error || video.ended);
        assert.ok((await page.evaluate(() => video.nativeEl.webkitAudioDecodedByteCount)) > 5000, 'it is silent');
        assert.deepEqual(await warnings(page), []);
        assert.equal(lab.licence.requests.length, 0);
      });
    }
  });
}
