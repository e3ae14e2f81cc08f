// Metrics for people: names, units, which way is worse, and how sure a difference is.

import type { Better, Cell, MetricInfo, Unit } from './api';
import * as format from './format';

const NAMES: Record<string, string> = {
  views: 'Views',
  attempts: 'Play attempts',
  plays: 'Plays',
  startup_ms: 'Startup time, mean',
  startup_ms_p50: 'Startup time, median',
  startup_ms_p75: 'Startup time, p75',
  startup_ms_p95: 'Startup time, p95',
  startup_failures: 'Startup failures',
  startup_failure: 'Startup failure rate',
  exits_before_start: 'Exits before start, count',
  ebvs: 'Exits before start',
  exits_before_start_under_1s: 'Exits in under 1 s, count',
  ebvs_under_1s: 'Exits in under 1 s',
  playback_failures: 'Playback failures',
  playback_fail: 'Playback failure rate',
  failures: 'Failures, count',
  failure_pct: 'Failure rate',
  rebuffer_ms: 'Rebuffering time',
  rebuffer_ratio: 'Rebuffer ratio',
  cirr: 'Rebuffer ratio, network only',
  rebuffer_count: 'Rebuffers, count',
  rebuffer_freq: 'Rebuffers a minute',
  rebuffered_views: 'Views that rebuffered',
  stalled_pct_cta: 'Stalled time (CTA-2066)',
  avg_bitrate: 'Average bitrate',
  upscale: 'Upscaling',
  downscale: 'Downscaling',
  dropped: 'Dropped frames',
  live_latency: 'Live latency, mean',
  live_latency_p50: 'Live latency, median',
  live_latency_p95: 'Live latency, p95',
  played_ms: 'Time played',
  media_ms: 'Media played',
  bytes: 'Bytes received',
  concurrent_viewers: 'Concurrent viewers',
};

/** As the README groups them. */
export const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ['Audience', ['concurrent_viewers', 'views', 'attempts', 'plays', 'played_ms']],
  ['Startup', ['startup_ms_p50', 'startup_ms_p75', 'startup_ms_p95', 'startup_ms', 'startup_failure', 'startup_failures', 'ebvs', 'exits_before_start', 'ebvs_under_1s', 'exits_before_start_under_1s']],
  ['Rebuffering', ['rebuffer_ratio', 'rebuffered_views', 'rebuffer_freq', 'cirr', 'stalled_pct_cta', 'rebuffer_count', 'rebuffer_ms']],
  ['Failures', ['failure_pct', 'playback_fail', 'failures', 'playback_failures']],
  ['Picture', ['avg_bitrate', 'upscale', 'downscale', 'dropped']],
  ['Live', ['live_latency', 'live_latency_p50', 'live_latency_p95']],
  ['Amounts', ['media_ms', 'bytes']],
];

/** Counted each second and only by site; not a metric of `/v1/query`. */
export const VIEWERS: MetricInfo = { name: 'concurrent_viewers', unit: 'count', better: 'neither' };
export const VIEWERS_DEFINITION = 'views whose last beat came less than 35 s ago and that are not paused, over, or stalled for more than 5 min';

export function metricName(name: string): string {
  return NAMES[name] ?? name;
}

export function formatValue(unit: Unit, value: number | null | undefined): string {
  switch (unit) {
    case 'bytes':
      return format.bytes(value);
    case 'count':
      return format.count(value);
    case 'kilobits_per_second':
      return format.bitrate(value);
    case 'milliseconds':
      return value != null && value >= 60_000 ? format.duration(value) : format.wait(value);
    case 'per_minute':
      return value == null ? format.NONE : `${value === 0 ? '0' : value.toFixed(value < 0.1 ? 3 : 2)} / min`;
    case 'ratio':
      return format.percent(value);
  }
}

/** A difference with its sign; of ratios, in percentage points. */
export function formatDifference(unit: Unit, value: number | null | undefined): string {
  if (value == null) return format.NONE;
  if (value === 0) return '±0';
  const size = formatValue(unit, Math.abs(value));
  if (size.startsWith('<')) return size.replace('%', ' pp');
  return `${value > 0 ? '+' : '−'}${unit === 'ratio' ? size.replace('%', ' pp') : size}`;
}

/** Is the larger one worse (1), the smaller one (−1), or neither (0)? */
export function worse(better: Better): 1 | 0 | -1 {
  return better === 'lower' ? 1 : better === 'higher' ? -1 : 0;
}

/** The least upper end of an axis, so that noise around nothing looks like nothing. */
export function leastMax(unit: Unit): number {
  return { bytes: 1e6, count: 4, kilobits_per_second: 1000, milliseconds: 500, per_minute: 0.1, ratio: 0.01 }[unit];
}

/** Below this many views a number says little. */
export const SMALL_N = 25;

const SHARES_OF_VIEWS = new Set(['startup_failure', 'ebvs', 'ebvs_under_1s', 'playback_fail', 'failure_pct', 'rebuffered_views']);

export interface Verdict {
  difference: number | null;
  /** Half the width of the 95% interval of the difference; undefined where it is not known. */
  margin: number | undefined;
  /** `small`: too few views; `noise`: the interval holds 0; `clear`: it does not; `unsure`: there is no interval. */
  kind: 'small' | 'noise' | 'clear' | 'unsure' | 'none';
}

/** What can be said about the difference of two cells, `b − a`. */
export function compare(metric: string, a: Cell | undefined, b: Cell | undefined): Verdict {
  if (a?.value == null || b?.value == null) return { difference: null, margin: undefined, kind: 'none' };
  const difference = b.value - a.value;
  const small = Math.min(a.n ?? Number.POSITIVE_INFINITY, b.n ?? Number.POSITIVE_INFINITY) < SMALL_N;
  if (!SHARES_OF_VIEWS.has(metric) || !a.n || !b.n) return { difference, margin: undefined, kind: small ? 'small' : 'unsure' };
  // Newcombe's interval of two independent shares, from Wilson's of each; n are views, not weights.
  const [p, q] = [wilson(a.value, a.n), wilson(b.value, b.n)];
  const low = difference - Math.hypot(b.value - q.low, p.high - a.value);
  const high = difference + Math.hypot(q.high - b.value, a.value - p.low);
  return { difference, margin: (high - low) / 2, kind: small ? 'small' : low <= 0 && high >= 0 ? 'noise' : 'clear' };
}

/** Wilson's 95% interval of a share. */
export function wilson(share: number, n: number): { low: number; high: number } {
  const z = 1.96;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
