import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketOf, fixedRange, href, link, readState, shifted, timesOf } from '../src/state';

const read = (path: string) => readState(new URL(path, 'http://localhost'));

test('an address says all that is chosen, and is what a state becomes', () => {
  const paths = [
    '/dashboard',
    '/dashboard/trends?site=shop&range=24h&tz=utc&filter=device%3Aeq%3Atv&filter=dim.plan%3Aexists&metric=rebuffer_ratio%2Cviews&by=os&prev=1',
    '/dashboard/compare?from=1000000&to=2000000&bots=true&a=os%3Aeq%3AiOS&b=os%3Ane%3AiOS',
    '/dashboard/views/0189%20x?zoom=1000-5000',
    '/dashboard/alerts',
  ];
  for (const path of paths) assert.equal(href(read(path)), path);
  const { page, id, site, filters, own } = read('/dashboard/views/0189%20x?zoom=1-2&site=a');
  assert.deepEqual([page, id, site, filters.length, own.get('zoom')], ['view', '0189 x', 'a', 0, '1-2']);
});

test('nonsense in an address is as nothing', () => {
  const state = read('/dashboard/nonsense?range=3y&from=x&to=9&filter=bad&tz=mars');
  assert.deepEqual([state.page, state.utc, state.filters], ['now', false, []]);
  assert.deepEqual(state.range, { last: '6h' });
  assert.equal(read('/dashboard/views/%E0%A4%A').id, '%E0%A4%A');
  assert.deepEqual(read('/dashboard/trends?from=0&to=99999999999999').range, { last: '6h' });
});

test('links to another page take along what both share', () => {
  const state = read('/dashboard/trends?range=7d&filter=os%3Aeq%3AiOS&metric=views&by=os');
  assert.equal(link(state, 'views'), '/dashboard/views?range=7d&filter=os%3Aeq%3AiOS');
  assert.equal(link(state, 'compare', { a: ['x:eq:1', 'y:eq:2'] }, { filters: [] }), '/dashboard/compare?range=7d&a=x%3Aeq%3A1&a=y%3Aeq%3A2');
});

test('ranges up to now end at a multiple of 10 s and step back and forth', () => {
  const now = 1_700_000_003_000;
  assert.deepEqual(timesOf({ last: '15m' }, now), { from: 1_700_000_010_000 - 900_000, to: 1_700_000_010_000 });
  const before = shifted({ last: '15m' }, now, -1);
  assert.deepEqual(before, { from: 1_700_000_010_000 - 1_800_000, to: 1_700_000_010_000 - 900_000 });
  assert.deepEqual(shifted(before, now, 1), { last: '15m' });
  assert.deepEqual(shifted({ from: 0, to: 100_000 }, now, 1), { from: 100_000, to: 200_000 });
});

test('ranges that cannot be answered are none; short ones grow', () => {
  assert.equal(fixedRange(5, 5), undefined);
  assert.equal(fixedRange(-1, 5), undefined);
  assert.equal(fixedRange(Number.NaN, 5), undefined);
  assert.equal(fixedRange(0, 93 * 86_400_000), undefined);
  assert.deepEqual(fixedRange(1_000_000, 1_010_000), { from: 975_000, to: 1_035_000 });
});

test('buckets fit a range', () => {
  assert.deepEqual([900_000, 21_600_000, 86_400_000, 2_592_000_000].map((ms) => bucketOf(ms, 150).name), ['10s', '5m', '10m', '6h']);
  assert.equal(bucketOf(1e12, 10).name, '1d');
});
