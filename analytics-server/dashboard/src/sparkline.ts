// A small line without axes: where a number comes from.

import { svg } from './dom';

const WIDTH = 120;
const HEIGHT = 32;

export class Sparkline {
  readonly element = svg('svg', { class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  #area = svg('path', { class: 'spark-area' });
  #line = svg('path', { class: 'spark-line' });

  constructor() {
    this.element.append(this.#area, this.#line);
  }

  /** Values at equal distances; gaps stay gaps. `leastMax`: the least upper end. */
  update(values: readonly (number | null)[], leastMax: number): void {
    const { line, area } = sparkPaths(values, leastMax, WIDTH, HEIGHT);
    this.#line.setAttribute('d', line);
    this.#area.setAttribute('d', area);
  }
}

export function sparkPaths(values: readonly (number | null)[], leastMax: number, width: number, height: number): { line: string; area: string } {
  const known = values.filter((value) => value !== null);
  const max = Math.max(leastMax, ...known) || 1;
  const x = (at: number) => round((at / Math.max(values.length - 1, 1)) * width);
  const y = (value: number) => round(height - 1.5 - (Math.max(value, 0) / max) * (height - 3));
  let [line, area] = ['', ''];
  for (let at = 0; at < values.length; at += 1) {
    const run: [number, number][] = [];
    for (let value = values[at]; value != null; value = values[at]) {
      run.push([x(at), y(value)]);
      at += 1;
    }
    const [first, last] = [run[0], run.at(-1)];
    if (!first || !last) continue;
    // A lonely value is a dot: a line without length, with round ends.
    line += `M${run.map(([a, b]) => `${a} ${b}`).join('L')}${run.length === 1 ? `L${first[0]} ${first[1]}` : ''}`;
    area += `M${first[0]} ${height}L${run.map(([a, b]) => `${a} ${b}`).join('L')}L${last[0]} ${height}Z`;
  }
  return { line, area };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
