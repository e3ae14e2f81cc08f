import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';
import { FakeCue, FakeVideo } from './support/dom.mjs';

globalThis.VTTCue = FakeCue;
const { ThumbnailTrack, inPixels, pageThumbnails } = await load('thumbnails.ts');

const never = () => Promise.reject(new Error('nothing is to be measured'));
const cut = (n) => ({ start: n, end: n + 1, url: `https://h/${n}.jpg#xywh=0,0,160,90` });
const texts = (video) => video.textTracks.list.map(({ list }) => list.map(({ text }) => text));

test('a hidden track of metadata, filled anew each time', async () => {
  const video = new FakeVideo();
  const track = new ThumbnailTrack(video, never);
  await track.set([cut(0), cut(1)]);
  const [{ kind, label, mode }] = video.textTracks.list;
  assert.deepEqual([kind, label, mode], ['metadata', 'thumbnails', 'hidden']);
  await track.set([cut(7)]);
  assert.deepEqual(texts(video), [['https://h/7.jpg#xywh=0,0,160,90']]);
  await track.set([]);
  assert.deepEqual(texts(video), []);
  await track.set([cut(7)]);
  track.clear();
  assert.deepEqual(texts(video), []);
});

test('parts that are not in pixels are measured, once', async () => {
  const video = new FakeVideo();
  const asked = [];
  const track = new ThumbnailTrack(video, async (url) => (asked.push(url), { width: 400, height: 90 }));
  await track.set([
    { start: 0, end: 1, url: 'https://h/a.jpg#xywh=percent:25,0,12.5,100' },
    { start: 1, end: 2, url: 'https://h/b.jpg' },
    cut(2),
  ]);
  assert.deepEqual(asked, ['https://h/a.jpg#xywh=percent:25,0,12.5,100']);
  assert.deepEqual(texts(video), [
    ['https://h/a.jpg#xywh=100,0,50,90', 'https://h/b.jpg#xywh=0,0,400,90', 'https://h/2.jpg#xywh=0,0,160,90'],
  ]);
  // An image that is not there: only what is known can be shown.
  const broken = new FakeVideo();
  await new ThumbnailTrack(broken, never).set([{ start: 0, end: 1, url: 'https://h/a.jpg' }, cut(1)]);
  assert.deepEqual(texts(broken), [['https://h/1.jpg#xywh=0,0,160,90']]);
});

test('the last word counts, however long the first takes', async () => {
  const video = new FakeVideo();
  let measured;
  const track = new ThumbnailTrack(video, () => new Promise((resolve) => (measured = resolve)));
  const first = track.set([{ start: 0, end: 1, url: 'https://h/a.jpg' }]);
  await track.set([cut(5)]);
  measured({ width: 1, height: 1 });
  await first;
  assert.deepEqual(texts(video), [['https://h/5.jpg#xywh=0,0,160,90']]);
});

test('what the page has goes first', async () => {
  const video = new FakeVideo();
  const own = video.ownerDocument.createElement('track');
  Object.assign(own, { kind: 'metadata', label: 'thumbnails' });
  video.append(own);
  await new ThumbnailTrack(video, never).set([cut(0)]);
  assert.deepEqual(texts(video), [[]]);
  const found = { getAttribute: () => 't.vtt', src: 'https://page/t.vtt' };
  assert.equal(pageThumbnails({ querySelector: () => found }), 'https://page/t.vtt');
  assert.equal(pageThumbnails(video), undefined);
});

test('fragments', () => {
  assert.equal(inPixels('https://h/a#xywh=pixel:1,2,3,4', undefined), 'https://h/a#xywh=1,2,3,4');
  assert.equal(inPixels('https://h/a', { width: 0, height: 9 }), undefined);
  assert.equal(inPixels('https://h/a#t=1', { width: 9, height: 8 }), 'https://h/a#xywh=0,0,9,8');
});
