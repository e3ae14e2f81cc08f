// Sound and text to choose from, periods, metadata, thumbnails.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { shoot, start } from './support/browser.mjs';
import { makeCaptions, makeLanguages, makePeriods, makeTagged, makeThumbnails } from './support/containers.mjs';
import { mount, plays, state, unharmed, until } from './support/page.mjs';

const LANGUAGES = '/stream/languages.m3u8';

describe('tracks', { timeout: 300_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start((folder) => {
      makeLanguages(folder);
      makePeriods(folder);
      makeTagged(folder);
      makeThumbnails(folder);
      makeCaptions(folder, [{ at: 2, line: 'HELLO WORLD' }, { at: 4, line: 'SECOND' }, { at: 8, line: 'LATER' }]);
    });
  });
  after(() => site?.close());
  beforeEach(async () => {
    page = await site.open('/element.html');
  });
  afterEach(async () => {
    site.server.faults = [];
    unharmed(page);
    await page.close();
  });

  async function warnings() {
    return (await state(page)).seen.filter(({ type }) => type === 'headgate-warning').map(({ detail }) => detail.message);
  }

  test('another language of sound, without a gap', async () => {
    await mount(page, { src: LANGUAGES, autoplay: '' });
    await plays(page);
    const list = () => page.evaluate(() => [...video.audioTracks].map(({ kind, label, language, enabled }) => ({ kind, label, language, enabled })));
    assert.deepEqual(await list(), [
      { kind: 'main', label: 'English', language: 'en', enabled: true },
      { kind: 'alternative', label: 'Deutsch', language: 'de', enabled: false },
    ]);
    const waits = async () => (await state(page)).seen.filter(({ type }) => type === 'waiting').length;
    const before = await waits();
    await page.evaluate(() => {
      // As Media Chrome does it.
      for (const track of video.audioTracks) track.enabled = track.language === 'de';
    });
    await until(page, () => video.api.audioTracks.find(({ selected }) => selected)?.language === 'de');
    await until(page, () => performance.getEntriesByType('resource').some(({ name }) => /\/de\/\d+\.m4s$/.test(name)));
    await plays(page);
    await until(page, () => video.currentTime > 5);
    assert.equal(await waits(), before, 'it has stopped');
    assert.deepEqual((await list()).map(({ enabled }) => enabled), [false, true]);
    assert.deepEqual(await warnings(), []);
  });

  test('a language of sound from the start', async () => {
    await mount(page, { src: LANGUAGES, autoplay: '', config: { tracks: { audioLanguage: 'de' } } });
    await plays(page);
    const paths = site.server.requests.map(({ path }) => path);
    assert.ok(paths.some((path) => path.startsWith('/stream/de/')));
    assert.equal(await page.evaluate(() => [...video.audioTracks].find(({ enabled }) => enabled).language), 'de');
  });

  test('subtitles are shown, changed and turned off by the element', async () => {
    await mount(page, { src: LANGUAGES, autoplay: '' });
    await plays(page);
    await until(page, () => video.textTracks.length === 2);
    const modes = () => page.evaluate(() => [...video.textTracks].map(({ kind, label, language, mode }) => `${kind} ${label} ${language} ${mode}`));
    assert.deepEqual(await modes(), ['subtitles English en disabled', 'subtitles Deutsch de disabled']);
    await page.evaluate(() => { video.textTracks[0].mode = 'showing'; });
    await until(page, () => video.textTracks[0].cues?.length >= 4);
    const cue = await page.evaluate(() => {
      const { startTime, endTime, text, line, align, snapToLines } = video.textTracks[0].cues[1];
      return { startTime, endTime, text, line, align, snapToLines };
    });
    assert.deepEqual(cue, { startTime: 2, endTime: 3, text: '<b>en</b> at 2', line: 10, align: 'start', snapToLines: false });
    await page.evaluate(() => { video.currentTime = 4.2; });
    await until(page, () => video.textTracks[0].activeCues?.[0]?.text === '<b>en</b> at 4');
    await shoot(page, 'subtitles');
    await page.evaluate(() => {
      video.textTracks[0].mode = 'disabled';
      video.textTracks[1].mode = 'showing';
    });
    await until(page, () => [...(video.textTracks[1].cues ?? [])].some(({ text }) => text === '<b>de</b> at 8'));
    assert.equal(await page.evaluate(() => video.api.textTracks.find(({ selected }) => selected).language), 'de');
    await page.evaluate(() => { video.textTracks[1].mode = 'disabled'; });
    await until(page, () => !video.api.textTracks.some(({ selected }) => selected));
    await page.evaluate(() => video.api.selectTextTrack(video.api.textTracks[0].id));
    await until(page, () => video.textTracks[0].mode === 'showing');
    await page.evaluate(() => video.api.selectTextTrack(null));
    await until(page, () => video.textTracks[0].mode === 'disabled');
    assert.deepEqual(await warnings(), []);
  });

  test('subtitles of a language from the start', async () => {
    await mount(page, { src: LANGUAGES, autoplay: '', config: { tracks: { textLanguage: 'de' } } });
    await until(page, () => video.textTracks[1]?.mode === 'showing' && video.textTracks[1].cues?.length > 0);
    await until(page, () => video.currentTime > 2);
    assert.equal(await page.evaluate(() => video.textTracks[0].mode), 'disabled');
    assert.equal(await page.evaluate(() => video.textTracks[1].mode), 'showing');
  });

  test('two periods, with TTML in each', async () => {
    await mount(page, { src: '/stream/periods.mpd', autoplay: '', config: { tracks: { textLanguage: 'fr' } } });
    await plays(page);
    await until(page, () => video.buffered.length === 1 && video.buffered.end(0) > 11.5);
    const { duration } = await state(page);
    assert.ok(Math.abs(duration - 12) < 0.1, `duration ${duration}`);
    await page.evaluate(() => { video.currentTime = 4.5; });
    await until(page, () => video.currentTime > 7.2);
    const cues = () => [...video.textTracks].filter(({ mode }) => mode === 'showing').flatMap((track) => [...track.cues].map(({ startTime, text }) => [startTime, text]));
    await until(page, (cues) => eval(cues)().length >= 1, `(${cues})`);
    await until(page, (cues) => eval(cues)().some(([start, text]) => start === 7 && text.includes('Période 1')), `(${cues})`);
    assert.deepEqual(await warnings(), []);
  });

  test('captions inside the pictures are found, and shown when they are chosen', async () => {
    await mount(page, { src: '/stream/captions/list.m3u8', autoplay: '' });
    await plays(page);
    await until(page, () => [...video.textTracks].some(({ kind }) => kind === 'captions'));
    assert.equal(await page.evaluate(() => video.textTracks[0].mode), 'disabled');
    await page.evaluate(() => { video.textTracks[0].mode = 'showing'; });
    await until(page, () => [...(video.textTracks[0].cues ?? [])].some(({ text }) => text.includes('LATER')));
    await page.evaluate(() => { video.currentTime = 2.2; });
    await until(page, () => /HELLO WORLD/.test(video.textTracks[0].activeCues?.[0]?.text ?? ''));
    await shoot(page, 'captions');
    const [cue] = await page.evaluate(() => [...video.textTracks[0].cues].filter(({ text }) => /HELLO WORLD/.test(text)).map(({ startTime, endTime }) => ({ startTime, endTime })));
    assert.ok(Math.abs(cue.startTime - 2) < 0.1 && Math.abs(cue.endTime - 4) < 0.1, JSON.stringify(cue));
    await page.evaluate(() => { video.textTracks[0].mode = 'disabled'; });
    await until(page, () => !video.api.textTracks.some(({ selected }) => selected));
    assert.deepEqual(await warnings(), []);
  });

  test('timed metadata: a date range', async () => {
    await page.evaluate(() => { globalThis.heard = []; });
    await mount(page, { src: '/stream/tagged/list.m3u8' });
    await page.evaluate(() => video.addEventListener('headgate-metadata', ({ detail }) => heard.push(detail)));
    await page.evaluate(() => video.play());
    await plays(page);
    await until(page, () => heard.some(({ change, metadata }) => change === 'enter' && metadata.source === 'date-range'));
    const range = await page.evaluate(() => heard.find(({ change }) => change === 'enter').metadata);
    assert.equal(range.id, 'ad-1');
    assert.equal(range.scheme, 'com.example.ad');
    assert.ok(range.attributes.some(([name, value]) => name === 'X-NAME' && value.includes('lemonade')), JSON.stringify(range));
    const cue = await page.evaluate(() => {
      const track = [...video.textTracks].find(({ kind, label }) => kind === 'metadata' && label === 'date-range');
      const { startTime, type, value } = track.cues[0];
      return { startTime, type, id: value.id };
    });
    assert.deepEqual(cue, { startTime: 1, type: 'com.example.ad', id: 'ad-1' });
  });

  test('thumbnails from a WebVTT file', async () => {
    await mount(page, { src: LANGUAGES, thumbnails: '/stream/thumbnails.vtt', autoplay: '' });
    await until(page, () => video.api.thumbnailAt(3));
    const found = await page.evaluate(() => [3, 5, 20].map((time) => video.api.thumbnailAt(time)));
    assert.match(found[0].url, /\/stream\/sprite\.jpg#xywh=0,0,160,90$/);
    assert.match(found[1].url, /\/stream\/sprite\.jpg#xywh=160,0,160,90$/);
    assert.equal(found[2], null);
    await until(page, () => [...video.textTracks].some(({ kind, label, cues }) => kind === 'metadata' && label === 'thumbnails' && cues?.length === 2));
  });
});
