import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event, View } from '../src/api';
import { lines, throughput, timeline } from '../src/timeline';

const view = (last_t_ms: number) => ({ last_t_ms }) as View;

test('states follow from events, without gaps', () => {
  const events: Event[] = [
    { t: 0, e: 'view_start' },
    { t: 100, e: 'play' },
    { t: 900, e: 'first_frame' },
    { t: 900, e: 'playing' },
    { t: 5000, e: 'rebuffer_start', cause: 'network' },
    { t: 6500, e: 'rebuffer_end' },
    { t: 8000, e: 'pause' },
    { t: 9000, e: 'seek', to_ms: 30_000 },
    { t: 9200, e: 'seek', to_ms: 40_000 },
    { t: 9700, e: 'seeked' },
    { t: 12_000, e: 'playing' },
    { t: 20_000, e: 'ended' },
  ];
  const { states, stalls, seeks, lengthMs } = timeline(view(21_000), events);
  assert.equal(lengthMs, 21_000);
  assert.deepEqual(states.map(({ fromMs, state }) => [fromMs, state]), [
    [0, 'idle'], [100, 'starting'], [900, 'playing'], [5000, 'rebuffering'], [6500, 'playing'], [8000, 'paused'],
    [9000, 'seeking'], [9700, 'paused'], [12_000, 'playing'], [20_000, 'ended'],
  ]);
  states.slice(1).forEach(({ fromMs }, at) => assert.equal(states[at]?.toMs, fromMs));
  assert.equal(states.at(-1)?.toMs, 21_000);
  assert.deepEqual(stalls, [{ fromMs: 5000, toMs: 6500, cause: 'network' }]);
  assert.deepEqual(seeks, [{ fromMs: 9000, toMs: 9700 }]);
});

test('what has not ended lasts until now; a fatal error ends it', () => {
  const stall: Event = { t: 3000, e: 'rebuffer_start', cause: 'decode' };
  assert.equal(timeline(view(9000), [stall]).stalls[0]?.toMs, 9000);
  const fatal: Event = { t: 4000, e: 'error', kind: 'media', fatal: true, message: '' };
  const failed = timeline(view(9000), [stall, fatal]);
  assert.equal(failed.stalls[0]?.toMs, 4000);
  assert.equal(failed.states.at(-1)?.state, 'failed');
  assert.equal(timeline(view(0), []).lengthMs, 1000);
});

test('a request lasts until its event; its throughput leaves out the first byte', () => {
  const request: Event = { t: 2000, e: 'request', kind: 'segment', track: 'video', rendition: 'v2', media_ms: 4000, bytes: 500_000, ttfb_ms: 100, ms: 1100, status: 200 };
  const { requests } = timeline(view(0), [request]);
  assert.deepEqual([requests[0]?.fromMs, requests[0]?.toMs, requests[0]?.failed], [900, 2000, false]);
  assert.equal(throughput(request), 4000);
  assert.equal(throughput({ ...request, status: 404 }), undefined);
  assert.equal(throughput({ ...request, bytes: 100 }), undefined);
  assert.equal(throughput({ ...request, cancelled: true }), undefined);
});

test('lines name what happened', () => {
  const texts = lines([
    { t: 0, e: 'rendition', id: 'a', kbps: 600, height: 360 },
    { t: 1, e: 'sample', pos_ms: 0, buffer_ms: 0, kbps: 0 },
    { t: 2, e: 'rendition', id: 'b', kbps: 2500, height: 720 },
    { t: 3, e: 'rebuffer_start', cause: 'network' },
    { t: 1503, e: 'rebuffer_end' },
    { t: 1600, e: 'request', kind: 'segment', track: 'audio', bytes: 0, ttfb_ms: 0, ms: 80, status: 404 },
    { t: 1700, e: 'error', kind: 'http', fatal: true, message: 'gone' },
  ]).map(({ name, text, group }) => `${group}/${name}/${text}`);
  assert.deepEqual(texts, [
    'switches/First rendition/360p · 600 kbps',
    'switches/Rendition/360p → 720p · 2.50 Mbps',
    'stalls/Rebuffering/cause: network',
    'stalls/Rebuffering ended/after 1.50 s',
    'requests/Request failed/audio segment · HTTP 404 · 0 B in 80 ms · first byte 0 ms',
    'errors/Fatal error/http: gone',
  ]);
});
