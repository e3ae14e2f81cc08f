import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';
import { FakeCue, FakeVideo } from './support/dom.mjs';

globalThis.VTTCue = FakeCue;
const { TextTracks, applySettings } = await load('text-tracks.ts');

const ENGLISH = { type: 'text-track', track: 't1', kind: 'subtitles', label: 'English', language: 'en' };
const settled = () => new Promise((resolve) => setImmediate(resolve));

function open(...messages) {
  const video = new FakeVideo();
  const told = [];
  const tracks = new TextTracks(video, (wanted) => told.push(wanted));
  for (const message of messages) tracks.apply(message);
  return { video, told, tracks, list: video.textTracks.list };
}

const cues = (track, ...list) => ({ type: 'cues', track, cues: list });
const texts = (track) => track.list.map(({ text }) => text);

test('cues come once, and go', () => {
  const { tracks, list } = open(ENGLISH);
  const [track] = list;
  const a = { start: 1, end: 2, text: 'a' };
  const b = { start: 1, end: 2, text: 'b', settings: 'align:start' };
  tracks.apply(cues('t1', a, b));
  // The next segment repeats one that reaches into it.
  tracks.apply(cues('t1', b, { start: 2, end: 4, text: 'c' }, { start: 9, end: 12, text: 'd' }));
  tracks.apply(cues('unknown', a));
  assert.deepEqual(texts(track), ['a', 'b', 'c', 'd']);
  tracks.apply({ type: 'remove-cues', track: 't1', start: 0, end: 3 });
  assert.deepEqual(texts(track), ['c', 'd']);
  // After a seek back they come again.
  tracks.apply(cues('t1', a));
  assert.deepEqual(texts(track), ['c', 'd', 'a']);
  tracks.apply({ type: 'remove-cues', track: 't1' });
  assert.deepEqual(texts(track), []);
});

test('cues outlive the empty file of their track', () => {
  for (const type of ['load', 'error']) {
    const { tracks, list } = open(ENGLISH);
    tracks.apply(cues('t1', { start: 1, end: 2, text: 'early' }));
    list[0].element.settle(type);
    assert.deepEqual(texts(list[0]), ['early'], type);
    tracks.apply({ type: 'remove-cues', track: 't1' });
    list[0].element.settle(type);
    assert.deepEqual(texts(list[0]), []);
  }
});

test('there is an end to what is kept', () => {
  const { tracks, list } = open({ ...ENGLISH, kind: 'metadata' });
  for (let n = 0; n < 10_050; n++) tracks.apply(cues('t1', { start: n, end: n + 1, text: `${n}` }));
  assert.equal(list[0].list.length, 10_000);
  assert.equal(texts(list[0])[0], '50');
});

test('what the viewer has chosen is told, and stays', async () => {
  const german = { ...ENGLISH, track: 't2', label: 'Deutsch', language: 'de' };
  const { tracks, told, list } = open({ ...ENGLISH, default: true }, german, { ...ENGLISH, track: 'm', kind: 'metadata' });
  assert.deepEqual(list.map(({ mode }) => mode), ['showing', 'disabled', 'hidden']);
  await settled();
  list[0].mode = 'disabled';
  list[1].mode = 'showing';
  await settled();
  assert.deepEqual(told, [['t1'], ['t2']]);
  // Another load, or another period: the same tracks by other names.
  tracks.clear();
  assert.equal(list.length, 0);
  tracks.apply({ ...ENGLISH, track: 't3', default: true });
  tracks.apply({ ...german, track: 't4' });
  assert.deepEqual(list.map(({ mode }) => mode), ['disabled', 'showing']);
  await settled();
  assert.deepEqual(told.slice(2), [['t4']]);
  tracks.apply({ type: 'text-track-gone', track: 't4' });
  await settled();
  assert.deepEqual(told.slice(3), [[]]);
  tracks.close();
  await settled();
  assert.equal(told.length, 4);
});

test('what nobody has chosen is not remembered', () => {
  const { tracks, list } = open(ENGLISH);
  tracks.clear();
  tracks.apply({ ...ENGLISH, default: true });
  assert.equal(list[0].mode, 'showing');
  list[0].mode = 'disabled';
  for (let n = 0; n < 2; n++) {
    tracks.clear();
    tracks.apply({ ...ENGLISH, default: true });
    assert.equal(list[0].mode, 'disabled');
  }
});

test('a track that is told again keeps its cues', () => {
  const { tracks, list } = open({ ...ENGLISH, default: true });
  tracks.apply(cues('t1', { start: 0, end: 1, text: 'a' }));
  tracks.apply({ ...ENGLISH, label: 'English (UK)' });
  assert.deepEqual([list.length, list[0].label, list[0].mode, texts(list[0])], [1, 'English (UK)', 'showing', ['a']]);
  tracks.apply({ ...ENGLISH, kind: 'captions' });
  assert.deepEqual([list.length, list[0].kind, texts(list[0])], [1, 'captions', []]);
});

test('metadata is replaced by what is known better', () => {
  const { tracks, list } = open({ ...ENGLISH, kind: 'metadata' });
  const metadata = { type: 'date_range', value: { id: 'a' } };
  tracks.apply(cues('t1', { id: '1', start: 5, end: null, text: '', metadata }, { id: '2', start: 7, end: 7, text: '', metadata }));
  tracks.apply(cues('t1', { id: '1', start: 5, end: 9, text: '', metadata: { ...metadata, value: { id: 'b' } } }));
  const shown = list[0].list.map(({ id, startTime, endTime, type, value }) => [id, startTime, endTime, type, value.id]);
  assert.deepEqual(shown, [
    ['2', 7, 7.25, 'date_range', 'a'],
    ['1', 5, 9, 'date_range', 'b'],
  ]);
  tracks.apply({ type: 'remove-cues', track: 't1', ids: ['1', 'none'] });
  assert.equal(list[0].list.length, 1);
});

test('settings', () => {
  const cue = new FakeCue(0, 1, '');
  applySettings(cue, 'vertical:rl line:10.5%,end position:30%,line-left size:40% align:left nonsense region:x size:-1 line:x');
  const { vertical, line, snapToLines, lineAlign, position, positionAlign, size, align } = cue;
  assert.deepEqual(
    { vertical, line, snapToLines, lineAlign, position, positionAlign, size, align },
    { vertical: 'rl', line: 10.5, snapToLines: false, lineAlign: 'end', position: 30, positionAlign: 'line-left', size: 40, align: 'left' },
  );
  applySettings(cue, 'line:-2');
  assert.deepEqual([cue.line, cue.snapToLines], [-2, true]);
});

test('regions, where the browser has some and where not', () => {
  const region = { id: 'r', width: 40, lines: 3, regionAnchor: [0, 100], viewportAnchor: [10, 90], scrollUp: true };
  const cue = { start: 0, end: 1, text: 'a', region };
  const without = open(ENGLISH);
  without.tracks.apply(cues('t1', cue, { ...cue, text: 'b', settings: 'align:end position:25% size:50%' }));
  without.tracks.apply(cues('t1', { ...cue, text: 'top', region: { ...region, regionAnchor: [100, 0], viewportAnchor: [100, 5] } }));
  const placed = without.list[0].list.map(({ line, position, size }) => [line, position, size]);
  assert.deepEqual(placed, [
    [-3, 30, 40],
    [-3, 20, 20],
    [3, 80, 40],
  ]);

  globalThis.VTTRegion = class {};
  try {
    const { tracks, list } = open(ENGLISH);
    tracks.apply(cues('t1', cue, { ...cue, text: 'b' }));
    const [a, b] = list[0].list;
    assert.equal(a.region, b.region);
    assert.deepEqual({ ...a.region }, {
      id: 'r',
      width: 40,
      lines: 3,
      regionAnchorX: 0,
      regionAnchorY: 100,
      viewportAnchorX: 10,
      viewportAnchorY: 90,
      scroll: 'up',
    });
  } finally {
    delete globalThis.VTTRegion;
  }
});

test('segments number their cues each from 1, and a cue that goes on is lengthened', () => {
  const { tracks, list } = open(ENGLISH);
  tracks.apply(cues('t1', { id: '1', start: 0, end: 1, text: 'a' }));
  tracks.apply(cues('t1', { id: '1', start: 2, end: 3, text: 'b' }));
  assert.deepEqual(texts(list[0]), ['a', 'b']);
  tracks.apply(cues('t1', { id: 'x', start: 4, end: 6, text: 'c' }));
  tracks.apply(cues('t1', { id: 'x', start: 6, end: 8, text: 'c' }));
  tracks.apply(cues('t1', { id: 'x', start: 9, end: 10, text: 'c' }));
  const times = list[0].list.slice(2).map(({ startTime, endTime }) => [startTime, endTime]);
  assert.deepEqual(times, [[4, 8], [9, 10]]);
});

test('what the browser shows besides when a track is added is taken back, what the viewer chooses is not', async () => {
  const german = { ...ENGLISH, track: 't2', label: 'Deutsch', language: 'de', default: true };
  const { told, tracks, list } = open(ENGLISH, german);
  await settled();
  list[0].mode = 'showing';
  await settled();
  assert.deepEqual(list.map(({ mode }) => mode), ['disabled', 'showing']);
  list[1].mode = 'disabled';
  list[0].mode = 'showing';
  await settled();
  assert.deepEqual(list.map(({ mode }) => mode), ['showing', 'disabled']);
  assert.deepEqual(told, [['t2'], ['t1']]);
  tracks.show(null);
  await settled();
  assert.deepEqual(told.at(-1), []);
  tracks.close();
});
