import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../src/api';
import { sparkPaths } from '../src/sparkline';
import { bucketTimes, cellsOf, drawn, groupsOf, isSum, keyOf } from '../src/trends-data';

const answer = {
  rows: [
    { t_ms: 60_000, by: { os: 'iOS' }, values: { views: { value: 3, n: 3 } } },
    { t_ms: 180_000, by: { os: 'iOS' }, values: { views: { value: 5, n: 5 } } },
    { t_ms: 60_000, by: { os: '' }, values: { views: { value: 1, n: 1 } } },
  ],
} as unknown as Answer;

test('buckets begin at multiples of their length', () => {
  assert.deepEqual(bucketTimes(70_000, 200_000, 60_000), [60_000, 120_000, 180_000]);
  assert.deepEqual(bucketTimes(60_000, 180_000, 60_000), [60_000, 120_000]);
});

test('an absent bucket is 0 of a sum and a gap of all else; a part of a bucket is no sum', () => {
  const times = bucketTimes(60_000, 240_000, 60_000);
  assert.deepEqual(groupsOf(answer).map(({ by }) => by.os), ['iOS', '']);
  const cells = cellsOf(answer, keyOf({ os: 'iOS' }), 'views', times);
  const range = { from: 60_000, to: 240_000 };
  assert.deepEqual(drawn(cells, times, 60_000, 'count', true, range, 240_000), [3, 0, 5]);
  assert.deepEqual(drawn(cells, times, 60_000, 'count', true, range, 230_000), [3, 0, null]);
  assert.deepEqual(drawn(cells, times, 60_000, 'ratio', false, { from: 70_000, to: 240_000 }, 230_000), [3, null, 5]);
  assert.deepEqual(cellsOf(answer, keyOf({ os: '' }), 'views', [660_000], 600_000).map((cell) => cell?.value), [1]);
});

test('sums are known by their names', () => {
  const sums = ['views', 'startup_failures', 'exits_before_start', 'exits_before_start_under_1s', 'bytes', 'rebuffer_ms'];
  assert.ok(sums.every(isSum));
  assert.ok(!['startup_failure', 'ebvs', 'startup_ms_p95', 'rebuffer_ratio', 'live_latency'].some(isSum));
});

test('a sparkline has gaps where nothing is known', () => {
  const { line, area } = sparkPaths([1, null, 0, 2], 2, 30, 13);
  assert.equal(line, 'M0 6.5L0 6.5M20 11.5L30 1.5');
  assert.equal(area, 'M0 13L0 6.5L0 13ZM20 13L20 11.5L30 1.5L30 13Z');
  assert.deepEqual(sparkPaths([null, null], 1, 30, 10), { line: '', area: '' });
});
