// What stands below numbers: how many views they are of, and which are not in them.

import type { Answer } from './api';
import { setText } from './dom';
import * as format from './format';

export function footnote(element: HTMLElement, answer: { bots_excluded?: boolean }, totals: Answer | undefined, ...more: string[]): void {
  const parts = [...more];
  if (totals && !totals.more) {
    const [n, weighted] = totals.rows.reduce(([a, b], { values }) => [a + (values.views?.n ?? 0), b + (values.views?.value ?? 0)], [0, 0]);
    parts.unshift(format.views(n));
    // Each sampled view stands for several.
    if (weighted > n * 1.001) parts.push(`sampled: they stand for about ${format.count(weighted)}`);
  }
  if (answer.bots_excluded !== undefined) parts.push(answer.bots_excluded ? 'bots left out' : 'bots included');
  parts.push(`times in ${format.zoneName()}`);
  setText(element, parts.join(' · '));
}
