import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../src/format';

test('what is unknown is a dash', () => {
  for (const one of [format.count, format.wait, format.duration, format.position, format.bitrate, format.percent, format.bytes]) {
    assert.equal(one(null), '–');
    assert.equal(one(undefined), '–');
  }
});

test('waits change their unit without a jump', () => {
  assert.deepEqual([0, 420.4, 999.4, 999.6, 1340, 9994, 9996, 59_900, 60_000, 125_000].map(format.wait), [
    '0 ms', '420 ms', '999 ms', '1.00 s', '1.34 s', '9.99 s', '10.0 s', '59.9 s', '1 min 00 s', '2 min 05 s',
  ]);
});

test('durations and positions', () => {
  assert.equal(format.duration(11_220_000), '3 h 07 min');
  assert.deepEqual([0, 7_440, 59_960, 750_000, 3_723_000].map(format.position), ['0:00.0', '0:07.4', '1:00.0', '12:30.0', '1:02:03.0']);
});

test('bitrates, ratios, sizes and counts', () => {
  assert.deepEqual([0, 850, 999.6, 2500, 12_345, 123_456].map(format.bitrate), ['0 kbps', '850 kbps', '1.00 Mbps', '2.50 Mbps', '12.3 Mbps', '123 Mbps']);
  assert.deepEqual([0, 0.00001, 0.0023, 0.0123, 0.5, 1].map(format.percent), ['0%', '< 0.01%', '0.23%', '1.2%', '50%', '100%']);
  assert.deepEqual([12, 45_600, 1_234_567, 2_500_000_000].map(format.bytes), ['12 B', '46 kB', '1.2 MB', '2.50 GB']);
  assert.deepEqual([0, 2.5, 1234, 250_000].map(format.count), ['0', '2.5', '1,234', '250K']);
});

test('axes have short labels', () => {
  const labels = ['0 ms', '2.00 Mbps', '2.50 Mbps', '10.0 s', '5.0%', '0.50%', '800 kbps', '0:30.0', '0:00.0', '0:07.5', '120', '20'];
  assert.deepEqual(labels.map(format.short), ['0', '2 Mbps', '2.5 Mbps', '10 s', '5%', '0.5%', '800 kbps', '0:30', '0:00', '0:07.5', '120', '20']);
});

test('times before today say the day', () => {
  const noon = new Date(2026, 4, 17, 12, 0, 5).getTime();
  assert.equal(format.time(noon, noon + 60_000), '12:00:05');
  assert.equal(format.time(noon, noon + 86_400_000), 'May 17 12:00:05');
});
