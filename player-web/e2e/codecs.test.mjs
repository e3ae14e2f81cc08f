// Several codecs, of which the browser says how well it decodes them; WebM.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { shoot, start } from './support/browser.mjs';
import { makeCodecs } from './support/containers.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const BOTH = '/stream/codecs/two.mpd';

describe('codecs', { timeout: 300_000 }, () => {
  let site;
  let page;
  let opened;
  before(async () => {
    site = await start(makeCodecs);
  });
  after(() => site?.close());
  beforeEach(async () => {
    opened = site.server.requests.length;
    page = await site.open('/element.html');
  });
  afterEach(async () => {
    unharmed(page);
    await page.close();
  });

  const segments = (pattern) =>
    site.server.requests.slice(opened).filter(({ path }) => path.endsWith('.seg') && pattern.test(path)).length;

  /** What `decodingInfo` says: a function of the question. Its calls are kept in `asked`. */
  function decodes(says) {
    return page.evaluate((says) => {
      globalThis.asked = [];
      const answer = eval(says);
      navigator.mediaCapabilities.decodingInfo = (question) => {
        asked.push(question);
        return Promise.resolve(answer(question.video));
      };
    }, `(${says})`);
  }

  async function playsToTheEnd() {
    await plays(page);
    await page.evaluate(() => { video.currentTime = 9; });
    await until(page, () => video.ended || video.currentTime > 11);
    const { error, seen } = await state(page);
    assert.equal(error, null);
    assert.deepEqual(seen.filter(({ type }) => type === 'headgate-warning'), []);
  }

  test('WebM: VP9 and Opus', async () => {
    await mount(page, { src: '/stream/codecs/webm.mpd', autoplay: '' });
    await playsToTheEnd();
    await shoot(page, 'webm');
    assert.ok(segments(/vp9/) >= 6 && segments(/opus/) >= 6);
  });

  test('the codec that the browser decodes with the least power', async () => {
    await decodes(({ contentType }) => ({ supported: true, smooth: true, powerEfficient: contentType.includes('avc1') }));
    await mount(page, { src: BOTH, autoplay: '' });
    await playsToTheEnd();
    assert.equal(segments(/vp9/), 0);
    assert.ok(segments(/avc/) >= 6);
    const asked = await page.evaluate(() => globalThis.asked);
    assert.deepEqual(asked.map(({ type, video: { contentType, width, height } }) => [type, contentType.split(';')[0], width, height]), [
      ['media-source', 'video/mp4', 320, 180],
      ['media-source', 'video/mp4', 640, 360],
      ['media-source', 'video/webm', 320, 180],
      ['media-source', 'video/webm', 640, 360],
    ]);
    assert.ok(asked.every(({ video: { bitrate, framerate } }) => bitrate > 100_000 && framerate === 25));
  });

  test('as this browser answers: the smaller one', async () => {
    await mount(page, { src: BOTH, autoplay: '' });
    await playsToTheEnd();
    const answers = await page.evaluate(async () => {
      const info = (contentType) => navigator.mediaCapabilities.decodingInfo({ type: 'media-source', video: { contentType, width: 640, height: 360, bitrate: 600_000, framerate: 25 } });
      const all = await Promise.all(['video/mp4; codecs="avc1.42c01e"', 'video/webm; codecs="vp09.00.21.08"'].map(info));
      return all.map(({ supported, smooth, powerEfficient }) => ({ supported, smooth, powerEfficient }));
    });
    // In hardware, some machines decode only the other one.
    const [avc, vp9] = answers.map(({ smooth, powerEfficient }) => Number(smooth) + Number(powerEfficient));
    assert.ok(answers.every(({ supported }) => supported));
    assert.equal(segments(avc > vp9 ? /vp9/ : /avc/), 0);
  });

  test('what is not smooth is left out, and the application hears of it', async () => {
    await decodes(({ contentType, height }) => ({ supported: !contentType.includes('vp09'), smooth: height < 300, powerEfficient: false }));
    await mount(page, { src: BOTH, autoplay: '' });
    await playsToTheEnd();
    assert.equal(segments(/vp9/), 0);
    assert.equal(segments(/avc-1/), 0);
    assert.deepEqual(await page.evaluate(() => video.api.limit), { highest: 'avc-0', by: ['decoding'] });
  });

  test('a browser that never answers, or has no such question', async () => {
    await page.evaluate(() => {
      globalThis.asked = 0;
      navigator.mediaCapabilities.decodingInfo = () => (asked++, new Promise(() => undefined));
    });
    await mount(page, { src: BOTH, autoplay: '' });
    await playsToTheEnd();
    assert.equal(await page.evaluate(() => asked), 4);
    assert.equal(segments(/vp9/), 0, 'the first codec of the manifest');
    await page.evaluate((src) => {
      Object.defineProperty(navigator, 'mediaCapabilities', { value: undefined });
      video.src = src;
    }, `${BOTH}?again`);
    await until(page, () => video.currentTime < 5);
    await playsToTheEnd();
  });
});
