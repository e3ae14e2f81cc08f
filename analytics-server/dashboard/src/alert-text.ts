// Alerts and their rules in words.

import type { Alert, Rule, Unit } from './api';
import { describe, parseFilter } from './filters';
import * as format from './format';
import { formatValue, metricName } from './metrics';

/** Alerts name metrics, not units; these are those of the definitions. */
export function unitOf(metric: string): Unit {
  if (/_ms(_p\d+)?$|^live_latency/.test(metric)) return 'milliseconds';
  if (metric === 'avg_bitrate') return 'kilobits_per_second';
  if (metric === 'bytes') return 'bytes';
  if (metric === 'rebuffer_freq') return 'per_minute';
  return /^(views|attempts|plays|concurrent_viewers|failures|.*_failures|exits_.*|rebuffer_count)$/.test(metric) ? 'count' : 'ratio';
}

export function alertText(alert: Alert): { value: string; since: string } {
  const unit = unitOf(alert.metric);
  const usual = alert.baseline !== null ? ` (usually ${formatValue(unit, alert.baseline)})` : alert.threshold !== null ? ` (limit ${formatValue(unit, alert.threshold)})` : '';
  return { value: `${formatValue(unit, alert.value)}${usual}`, since: `since ${format.time(alert.fired_ms ?? alert.since_ms, Date.now())}` };
}

/** "Rebuffer ratio above 2% for 5 min, over 5 min, n ≥ 25". */
export function ruleText(rule: Rule): string {
  const unit = unitOf(rule.metric);
  const { condition } = rule;
  const limit =
    condition.kind === 'baseline'
      ? `more than ${condition.deviations} deviations ${condition.direction ?? 'off'} the same time of ${condition.season === 'week' ? 'the same day of the week in ' : ''}the last ${condition.days} days`
      : `${condition.kind} ${formatValue(unit, condition.threshold)}, until it is ${condition.kind === 'above' ? 'below' : 'above'} ${formatValue(unit, condition.clear)}`;
  const parts = [`${metricName(rule.metric)} ${limit}`, `over ${format.age(rule.window_s * 1000)}`];
  if (rule.for_s > 0) parts.push(`for ${format.age(rule.for_s * 1000)}`);
  parts.push(`n ≥ ${format.count(rule.min_n)}`);
  const filters = rule.filters.map(parseFilter).filter((filter) => filter !== undefined);
  if (filters.length > 0) parts.push(filters.map(describe).join(', '));
  return parts.join(' · ');
}
