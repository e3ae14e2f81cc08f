// Everything that is chosen is in the address, so that a link shows what its sender saw and "back" works.

import { type Filter, filterText, parseFilters } from './filters';

export const PAGES = ['now', 'trends', 'cohorts', 'compare', 'views', 'alerts'] as const;
export type PageName = (typeof PAGES)[number] | 'view';

export const LAST = { '15m': 900_000, '1h': 3_600_000, '6h': 21_600_000, '24h': 86_400_000, '7d': 604_800_000, '30d': 2_592_000_000 } as const;
export type Last = keyof typeof LAST;
export const LAST_NAMES: Record<Last, string> = {
  '15m': 'Last 15 minutes',
  '1h': 'Last hour',
  '6h': 'Last 6 hours',
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
};
const DEFAULT_LAST: Last = '6h';
/** The longest stretch that the server answers for. */
export const MAX_RANGE_MS = 92 * 86_400_000;
export const MIN_RANGE_MS = 60_000;

/** Up to now, or between two times. */
export type Range = { last: Last } | { from: number; to: number };

export interface State {
  page: PageName;
  /** Of the view, on its page. */
  id: string;
  site: string;
  range: Range;
  utc: boolean;
  filters: Filter[];
  bots: boolean;
  /** What only this page knows of. */
  own: URLSearchParams;
}

const SHARED = ['site', 'range', 'from', 'to', 'tz', 'filter', 'bots'];

export function readState(url: URL): State {
  const query = url.searchParams;
  const [, page = '', id = ''] = /^\/dashboard(?:\/([a-z]+)(?:\/([^/]+))?)?\/?$/.exec(url.pathname) ?? [];
  const own = new URLSearchParams([...query].filter(([name]) => !SHARED.includes(name)));
  return {
    page: page === 'views' && id ? 'view' : (PAGES.find((name) => name === page) ?? 'now'),
    id: decode(id),
    site: query.get('site') ?? '',
    range: readRange(query),
    utc: query.get('tz') === 'utc',
    filters: parseFilters(query.getAll('filter')),
    bots: query.get('bots') === 'true',
    own,
  };
}

/** The address of a state: what is as always is left out. */
export function href(state: State): string {
  const query = new URLSearchParams();
  if (state.site) query.set('site', state.site);
  if ('from' in state.range) {
    query.set('from', String(state.range.from));
    query.set('to', String(state.range.to));
  } else if (state.range.last !== DEFAULT_LAST) query.set('range', state.range.last);
  if (state.utc) query.set('tz', 'utc');
  if (state.bots) query.set('bots', 'true');
  for (const filter of state.filters) query.append('filter', filterText(filter));
  for (const [name, value] of state.own) if (value !== '') query.append(name, value);
  const text = query.toString();
  return path(state.page, state.id) + (text ? `?${text}` : '');
}

/** The address of another page with what both share, and what belongs to that page. */
export function link(state: State, page: PageName, own: Record<string, string | readonly string[]> = {}, change: Partial<State> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(own)) for (const one of typeof value === 'string' ? [value] : value) query.append(name, one);
  return href({ ...state, id: '', ...change, page, own: query });
}

function path(page: PageName, id: string): string {
  if (page === 'now') return '/dashboard';
  return page === 'view' ? `/dashboard/views/${encodeURIComponent(id)}` : `/dashboard/${page}`;
}

/** The times of a range. The end of one that lasts until now is a multiple of 10 s, so that questions repeat. */
export function timesOf(range: Range, nowMs: number): { from: number; to: number } {
  if ('from' in range) return range;
  const to = Math.ceil(nowMs / 10_000) * 10_000;
  return { from: to - LAST[range.last], to };
}

/** The stretch as long as this one, before or after it. */
export function shifted(range: Range, nowMs: number, direction: -1 | 1): Range {
  const { from, to } = timesOf(range, nowMs);
  const by = (to - from) * direction;
  // There is nothing to see in the future.
  if (to + by >= nowMs) return lastOf(to - from) ?? { from: Math.max(0, nowMs - (to - from)), to: nowMs };
  return { from: Math.max(0, from + by), to: Math.max(MIN_RANGE_MS, to + by) };
}

/** A range that the server answers, from what was drawn or typed. */
export function fixedRange(from: number, to: number): Range | undefined {
  const [a, b] = [Math.round(from), Math.round(to)];
  if (!Number.isFinite(a) || !Number.isFinite(b) || a < 0 || b <= a || b - a > MAX_RANGE_MS) return undefined;
  if (b - a >= MIN_RANGE_MS) return { from: a, to: b };
  const middle = (a + b) / 2;
  return { from: Math.max(0, Math.round(middle - MIN_RANGE_MS / 2)), to: Math.round(middle + MIN_RANGE_MS / 2) };
}

function lastOf(lengthMs: number): Range | undefined {
  const last = (Object.keys(LAST) as Last[]).find((name) => LAST[name] === lengthMs);
  return last && { last };
}

function readRange(query: URLSearchParams): Range {
  const [from, to] = ['from', 'to'].map((name) => (query.has(name) ? Number(query.get(name)) : Number.NaN));
  const fixed = fixedRange(from ?? Number.NaN, to ?? Number.NaN);
  if (fixed) return fixed;
  const name = query.get('range') ?? '';
  return { last: name in LAST ? (name as Last) : DEFAULT_LAST };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Lengths of buckets, as the server names them. */
const BUCKETS: readonly (readonly [number, string])[] = [
  [10_000, '10s'],
  [30_000, '30s'],
  [60_000, '1m'],
  [300_000, '5m'],
  [600_000, '10m'],
  [900_000, '15m'],
  [1_800_000, '30m'],
  [3_600_000, '1h'],
  [10_800_000, '3h'],
  [21_600_000, '6h'],
  [43_200_000, '12h'],
  [86_400_000, '1d'],
];

/** The shortest buckets of which there are at most `most`. */
export function bucketOf(lengthMs: number, most: number): { ms: number; name: string } {
  const [ms, name] = BUCKETS.find(([one]) => lengthMs / one <= most) ?? [86_400_000, '1d'];
  return { ms, name };
}
