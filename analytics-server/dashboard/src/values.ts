// The values that a dimension has, and how many views each: what a filter can be made of.

import { type Answer, get } from './api';
import { filterText, valueName } from './filters';
import * as format from './format';
import type { Option } from './picker';
import { type State, timesOf } from './state';

/** The most frequent ones among the views that the other filters let pass. */
export async function valuesOf(state: State, dimension: string): Promise<Option[]> {
  const { from, to } = timesOf(state.range, Date.now());
  const others = state.filters.filter((filter) => filter.dimension !== dimension).map(filterText);
  const params = { metric: 'views', by: dimension, filter: others, from, to, site: state.site, limit: 200, bots: dimension === 'device' || state.bots ? 'true' : '' };
  const { rows } = await get<Answer>('/v1/query', params, { signal: AbortSignal.timeout(15_000), maxAgeMs: 30_000 });
  return rows.map(({ by, values }) => {
    const value = by[dimension] ?? '';
    return { value, label: valueName(value), hint: format.views(values.views?.value ?? 0) };
  });
}
