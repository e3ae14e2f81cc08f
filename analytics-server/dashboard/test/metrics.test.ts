import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, formatDifference, formatValue, wilson } from '../src/metrics';

test('values have units; differences of shares are percentage points', () => {
  assert.deepEqual(
    [formatValue('ratio', 0.0123), formatValue('milliseconds', 1340), formatValue('milliseconds', 3_600_000), formatValue('kilobits_per_second', 2500), formatValue('per_minute', 0.25), formatValue('count', null)],
    ['1.2%', '1.34 s', '1 h 00 min', '2.50 Mbps', '0.25 / min', '–'],
  );
  assert.deepEqual([formatDifference('ratio', 0.0123), formatDifference('milliseconds', -200), formatDifference('count', 0), formatDifference('ratio', null)], ['+1.2 pp', '−200 ms', '±0', '–']);
});

test('Wilson’s interval is that of the books', () => {
  // 1 of 10: 0.0179 to 0.4042 (Brown, Cai and DasGupta's method 2).
  const { low, high } = wilson(0.1, 10);
  assert.ok(Math.abs(low - 0.0179) < 0.0005 && Math.abs(high - 0.4042) < 0.0005, `${low} ${high}`);
  assert.deepEqual(wilson(0, 1000).low, 0);
});

test('a difference is called one only if chance does not explain it', () => {
  const cell = (value: number, n: number) => ({ value, n });
  assert.equal(compare('failure_pct', cell(0.02, 1000), cell(0.08, 1000)).kind, 'clear');
  assert.equal(compare('failure_pct', cell(0.02, 100), cell(0.03, 100)).kind, 'noise');
  assert.equal(compare('failure_pct', cell(0, 10), cell(1, 1000)).kind, 'small');
  // There is no interval for what is no share of views.
  assert.equal(compare('rebuffer_ratio', cell(0.02, 1000), cell(0.08, 1000)).kind, 'unsure');
  assert.equal(compare('avg_bitrate', cell(1, 3), { value: 2, n: null }).kind, 'small');
  assert.equal(compare('failure_pct', undefined, cell(1, 9)).kind, 'none');
  // Newcombe's example: 56/70 and 48/80, difference 0.2, from 0.0524 to 0.3339.
  const { difference, margin } = compare('failure_pct', cell(48 / 80, 80), cell(56 / 70, 70));
  assert.ok(Math.abs((difference ?? 0) - 0.2) < 1e-9 && Math.abs((margin ?? 0) - (0.3339 - 0.0524) / 2) < 0.0005);
});
