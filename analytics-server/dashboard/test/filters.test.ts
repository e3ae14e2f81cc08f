import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, filterText, parseFilter, parseFilters, withFilter } from '../src/filters';

test('filters are read and written as the server does', () => {
  const texts = ['device:eq:tv', 'country:ne:DE', 'os:in:a,b', 'os:nin:a\\,b,c\\\\d', 'dim.plan:exists', 'dim.a-b.c:eq:x:y', 'cdn_host:eq:', 'video_title:eq:a,b'];
  for (const text of texts) {
    const filter = parseFilter(text);
    assert.ok(filter, text);
    assert.equal(filterText(filter), text);
  }
  assert.deepEqual(parseFilter('os:nin:a\\,b,c\\\\d'), { dimension: 'os', test: 'nin', values: ['a,b', 'c\\d'] });
  assert.deepEqual(parseFilter('os:in:a,b')?.values, ['a', 'b']);
});

test('what is no filter is left out', () => {
  for (const text of ['', 'device', 'device:eq', 'device:exists:x', 'device:like:x', ':eq:x', 'De:eq:x']) assert.equal(parseFilter(text), undefined, text);
  assert.equal(parseFilters(['nonsense', 'os:eq:iOS']).length, 1);
});

test('a filter replaces one of its dimension, but not the opposite', () => {
  const filters = parseFilters(['device:eq:tv', 'device:ne:bot', 'os:eq:iOS']);
  const next = withFilter(filters, { dimension: 'device', test: 'in', values: ['phone'] });
  assert.deepEqual(next.map(filterText), ['device:ne:bot', 'os:eq:iOS', 'device:eq:phone']);
});

test('filters are told in words', () => {
  const texts = ['cdn_host:in:a,b', 'device:ne:', 'dim.plan:exists'].map((text) => describe(parseFilter(text) ?? { dimension: '', test: 'in', values: [] }));
  assert.deepEqual(texts, ['CDN host is a or b', 'Device is not (not known)', 'dim.plan is known']);
});
