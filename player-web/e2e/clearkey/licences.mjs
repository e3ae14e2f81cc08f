// Licence servers that do not do what they should, and tokens that end: every case ends, by pictures or by an error that says why.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CLEARKEY, failure, play, playsTo, shows } from '../support/protected.mjs';
import { withPage } from '../support/with-page.mjs';

/** Of a key that does not come. */
const DEADLINE_MS = 3000;
/** That and what a browser takes to come to it. */
const LATEST_MS = DEADLINE_MS + 6000;

export function licences(lab) {
  describe('licences', () => {
    const here = withPage(lab);
    const begin = (options, name = 'cenc') => play(here.page, lab, lab.url(name, 'dash'), options);

    /** It ends with an error of that kind; `statuses` are the answers of the licence server. */
    async function fails(kind, expected = {}) {
      const error = await failure(here.page);
      assert.equal(error.kind, 'drm', JSON.stringify(error));
      assert.equal(error.drm?.kind, kind, JSON.stringify(error));
      assert.equal(error.drm.keySystem, CLEARKEY);
      for (const [name, value] of Object.entries(expected)) assert.equal(error.drm[name], value, JSON.stringify(error));
      assert.ok(error.message.length > 20, error.message);
      return error.drm;
    }

    test('base64 with padding is read', async () => {
      lab.licence.fault = () => 'padded';
      await begin();
      await playsTo(here.page, 2);
      await shows(here.page, lab);
    });

    test('a server that fails once is asked again', async () => {
      lab.licence.fault = (n) => (n === 0 ? 500 : undefined);
      await begin();
      await playsTo(here.page, 2);
      await shows(here.page, lab);
      assert.ok(lab.licence.requests.length >= 2);
    });

    test('a server that fails always is an error', async () => {
      lab.licence.fault = () => 500;
      await begin();
      await fails('request-http', { status: 500 });
      assert.ok(lab.licence.requests.length >= 2, 'it was asked once');
    });

    for (const [status, what, token] of [[401, 'nobody', () => 'no-such-token-0123456789'], [403, 'who may not', () => lab.licence.issue(['uhd1'])]]) {
      test(`${what} gets a ${status}, and is not asked for again`, async () => {
        await begin({ token: token() });
        await fails('request-http', { status });
        const asked = lab.licence.requests.map(({ kids }) => kids.join());
        assert.equal(new Set(asked).size, asked.length, asked.join(' '));
      });
    }

    test('a page in place of a licence is an error', async () => {
      lab.licence.fault = () => 'html';
      await begin();
      await fails('response-rejected');
    });

    test('a server that never answers is an error in time', async () => {
      lab.licence.fault = () => 'timeout';
      await begin({ config: { retry: { licence: { attempts: 2, backoffMs: 200, ttfbTimeoutMs: DEADLINE_MS / 2 } } } });
      const began = performance.now();
      await fails('request-network', { retriable: true });
      assert.equal(lab.licence.requests.length % 2, 0, `${lab.licence.requests.length} requests`);
      assert.ok(performance.now() - began < LATEST_MS, `after ${performance.now() - began} ms`);
    });

    test('a key that is in no licence is an error in time', async () => {
      // All that can be shown is withheld, and the sound is not.
      await begin({ token: lab.licence.issue(['audio']), drm: { keyTimeoutMs: DEADLINE_MS } });
      const began = performance.now();
      const { keyId } = await fails('key-missing-timeout');
      assert.ok(performance.now() - began < LATEST_MS, `after ${performance.now() - began} ms`);
      if (keyId !== null) assert.ok(keyId in lab.keys('cenc'), keyId);
    });

    test('a key that is wrong is an error', async () => {
      lab.licence.fault = () => 'wrong-key';
      await begin();
      await fails('wrong-key');
    });

    test('the application renews its token when it has expired', async () => {
      await begin({ token: lab.licence.issue(undefined, 0), renew: 'life=600000' });
      await playsTo(here.page, 2);
      await shows(here.page, lab);
      assert.ok(lab.licence.requests.every(({ status }) => status === 200));
    });

    test('tokens that live shorter than the stream are renewed while keys change', async () => {
      await begin({ token: lab.licence.issue(undefined, 0), renew: 'life=1000', config: { buffer: { goalS: 4 } } }, 'rotation');
      await here.page.evaluate(() => (video.playbackRate = 2));
      await playsTo(here.page, 9);
      await shows(here.page, lab);
      const used = new Set(lab.licence.requests.map(({ token }) => token));
      assert.ok(used.size >= 2 && lab.licence.requests.every(({ status }) => status === 200), `${used.size} tokens`);
    });

    test('a token that has expired for good is an error', async () => {
      await begin({ token: lab.licence.issue(undefined, 0) });
      await fails('request-http', { status: 401 });
    });
  });
}
