// From answers to what charts draw. No drawing in here.

import type { Answer, Cell, Unit } from './api';

export interface Group {
  key: string;
  by: Record<string, string>;
}

/** The groups of an answer, in its order. */
export function groupsOf(answer: Answer): Group[] {
  const groups = new Map<string, Group>();
  for (const { by } of answer.rows) {
    const key = keyOf(by);
    if (!groups.has(key)) groups.set(key, { key, by });
  }
  return [...groups.values()];
}

export function keyOf(by: Record<string, string>): string {
  return JSON.stringify(Object.entries(by).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The starts of the buckets that a range touches: those of the server are multiples of their length. */
export function bucketTimes(fromMs: number, toMs: number, bucketMs: number): number[] {
  const first = Math.floor(fromMs / bucketMs) * bucketMs;
  return Array.from({ length: Math.max(0, Math.ceil((toMs - first) / bucketMs)) }, (_, at) => first + at * bucketMs);
}

/** The cells of a group and a metric, one a bucket. */
export function cellsOf(answer: Answer, group: string, metric: string, times: readonly number[], shiftMs = 0): (Cell | undefined)[] {
  const cells = new Map<number, Cell | undefined>();
  for (const { t_ms, by, values } of answer.rows) if (t_ms !== undefined && keyOf(by) === group) cells.set(t_ms + shiftMs, values[metric]);
  return times.map((t) => cells.get(t));
}

/**
 * What is drawn of cells. Where nothing was, a sum is 0 and everything else is a gap; a sum over a bucket that is not over
 * yet is no value: it would look like a fall.
 */
export function drawn(cells: readonly (Cell | undefined)[], times: readonly number[], bucketMs: number, unit: Unit, isSum: boolean, range: { from: number; to: number }, nowMs: number): (number | null)[] {
  return cells.map((cell, at) => {
    const start = times[at] ?? 0;
    const whole = start >= range.from && start + bucketMs <= Math.min(range.to, nowMs);
    if (isSum && !whole) return null;
    return cell?.value ?? (isSum && unit === 'count' ? 0 : null);
  });
}

/** Sums grow with time; everything else is a mean, a share or a quantile. */
export function isSum(metric: string): boolean {
  return /^(views|attempts|plays|failures|.*_failures|exits_.*|rebuffer_count|rebuffer_ms|played_ms|media_ms|bytes)$/.test(metric);
}
