// Compare: every metric of two sets of views side by side, and whether the difference says anything.

import { type Answer, type Cell, get, type MetricInfo } from './api';
import { Chart } from './chart';
import { FilterBar } from './filter-bar';
import { describe, type Filter, filterText, parseFilters } from './filters';
import { fillOnce, h, setText } from './dom';
import { footnote } from './footnote';
import * as format from './format';
import { metricOptions } from './metric-options';
import { compare, formatDifference, formatValue, GROUPS, leastMax, metricName, SMALL_N, type Verdict, VIEWERS, worse } from './metrics';
import type { Context, Page } from './page';
import { bucketOf, fixedRange, type State, timesOf } from './state';
import { bucketTimes, cellsOf, drawn, isSum, keyOf } from './trends-data';

const DEFAULT_METRIC = 'rebuffer_ratio';
const REFRESH_MS = 30_000;

type Side = 'a' | 'b';

export class ComparePage implements Page {
  readonly title = 'Compare · Headgate analytics';
  readonly element = h('div', { class: 'compare stack' });
  readonly uses = { range: true, filters: true };
  #context: Context;
  #state!: State;
  #sides: Record<Side, { bar: FilterBar; n: HTMLElement }>;
  #chart = new Chart({
    title: ' ',
    height: 190,
    series: [],
    format: String,
    formatX: (seconds) => format.time(seconds * 1000, Date.now()),
    sync: 'compare',
    clock: true,
    keys: true,
    onZoom: (min, max) => {
      const range = fixedRange(min * 1000, Math.min(max * 1000, Date.now()));
      if (range) this.#context.go({ ...this.#state, range });
    },
  });
  #body = h('tbody');
  #hint = h('p', { class: 'note' });
  #foot = h('p', { class: 'footnote' });

  constructor(context: Context) {
    this.#context = context;
    this.#sides = { a: this.#side('a'), b: this.#side('b') };
    const swap = h('button', { type: 'button', class: 'quiet', title: 'A becomes B', click: () => this.#set({ a: this.#filters('b'), b: this.#filters('a') }) }, 'Swap');
    const table = h(
      'table',
      { class: 'comparison' },
      h('caption', { class: 'hidden' }, 'Every metric of A and B'),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Metric'), h('th', { scope: 'col', class: 'number' }, 'A'), h('th', { scope: 'col', class: 'number' }, 'B'), h('th', { scope: 'col', class: 'number' }, 'B − A'), h('th', { scope: 'col' }, 'What it says'))),
      this.#body,
    );
    this.element.append(
      h('h1', { class: 'hidden' }, 'Compare'),
      h('div', { class: 'sides' }, this.#card('a'), swap, this.#card('b')),
      this.#hint,
      this.#chart.element,
      h('div', { class: 'card table-card' }, table),
      this.#foot,
    );
  }

  show(state: State): void {
    this.#state = state;
    for (const { bar } of Object.values(this.#sides)) bar.show();
    const [a, b] = [this.#filters('a'), this.#filters('b')];
    const same = JSON.stringify(a) === JSON.stringify(b);
    this.#hint.hidden = !same;
    setText(this.#hint, 'A and B are the same views. Give one of them a filter of its own: a device, a CDN host, an arm of an experiment.');
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    const state = this.#state;
    const { from, to } = timesOf(state.range, Date.now());
    const bucket = bucketOf(to - from, innerWidth < 700 ? 60 : 120);
    const chosen = this.#metric();
    const known = (await metricOptions('asked')).map(({ value }) => value);
    const ask = (side: Side, metrics: readonly string[], series: boolean) =>
      get<Answer>(
        '/v1/query',
        { metric: metrics.join(','), filter: [...state.filters, ...this.#filters(side)].map(filterText), site: state.site, bots: state.bots ? 'true' : '', from, to, bucket: series ? bucket.name : undefined },
        { signal, maxAgeMs: 8_000 },
      );
    const [a, b, seriesA, seriesB] = await Promise.all([ask('a', known, false), ask('b', known, false), ask('a', [chosen], true), ask('b', [chosen], true)]);
    const [info] = seriesA.metrics;
    if (info) {
      const times = bucketTimes(from, to, bucket.ms);
      const values = [seriesA, seriesB].map((one) => drawn(cellsOf(one, keyOf({}), info.name, times), times, bucket.ms, info.unit, isSum(info.name), { from, to }, one.now_ms));
      const lines = (['a', 'b'] as const).map((side, at) => ({ label: `${side.toUpperCase()}: ${this.#name(side)}`, color: at === 0 ? '--blue' : '--orange', kind: 'line' as const }));
      this.#chart.setSeries(metricName(info.name), undefined, lines, (value) => formatValue(info.unit, value), leastMax(info.unit));
      this.#chart.update(times.map((ms) => ms / 1000), values, [from / 1000, to / 1000]);
    }
    this.#fill(a, b, chosen);
    footnote(this.#foot, a, undefined, '± is the 95% interval of the difference, known for shares of views', 'choose a metric to draw it');
    return 'last' in state.range ? REFRESH_MS : undefined;
  }

  destroy(): void {
    this.#chart.destroy();
  }

  #side(side: Side): { bar: FilterBar; n: HTMLElement } {
    const bar = new FilterBar({
      label: `Filters of ${side.toUpperCase()}`,
      state: () => ({ ...this.#state, filters: [...this.#state.filters, ...this.#filters(side)] }),
      filters: () => this.#filters(side),
      onChange: (filters) => this.#set({ [side]: filters }),
    });
    return { bar, n: h('p', { class: 'side-n muted' }, '\u00a0') };
  }

  #card(side: Side): HTMLElement {
    const { bar, n } = this.#sides[side];
    return h('section', { class: `card side side-${side}`, 'aria-label': `Views of ${side.toUpperCase()}` }, h('b', { class: 'side-letter' }, side.toUpperCase()), h('div', { class: 'side-body' }, bar.element, n));
  }

  #filters(side: Side): Filter[] {
    return parseFilters(this.#state.own.getAll(side));
  }

  #name(side: Side): string {
    return this.#filters(side).map(describe).join(', ') || 'all views';
  }

  #metric(): string {
    const name = this.#state.own.get('metric')?.split(',')[0] ?? '';
    return /^[a-z0-9_]+$/.test(name) && name !== VIEWERS.name ? name : DEFAULT_METRIC;
  }

  #set(change: Partial<Record<Side, Filter[]>>): void {
    const own = new URLSearchParams(this.#state.own);
    for (const [side, filters] of Object.entries(change)) {
      own.delete(side);
      for (const filter of filters) own.append(side, filterText(filter));
    }
    this.#context.go({ ...this.#state, own });
  }

  #draw(metric: string): void {
    const own = new URLSearchParams(this.#state.own);
    own.set('metric', metric);
    this.#context.go({ ...this.#state, own });
  }

  #fill(a: Answer, b: Answer, chosen: string): void {
    const [left, right] = [a.rows[0]?.values ?? {}, b.rows[0]?.values ?? {}];
    for (const [side, values] of [['a', left], ['b', right]] as const) {
      const n = values.views?.n ?? 0;
      setText(this.#sides[side].n, n === 0 ? 'no views' : `${format.views(n)}${n < SMALL_N ? ': too few to say much' : ''}`);
    }
    const infos = new Map(a.metrics.map((info) => [info.name, info]));
    const groups = GROUPS.map(([group, names]) => [group, names.flatMap((name) => infos.get(name) ?? [])] as const).filter(([, list]) => list.length > 0);
    fillOnce(this.#body, [left, right, chosen], () =>
      groups.flatMap(([group, list]) => [h('tr', { class: 'group-row' }, h('th', { colspan: '5', scope: 'colgroup' }, group)), ...list.map((info) => this.#row(info, left, right, info.name === chosen))]),
    );
  }

  #row(info: MetricInfo, left: Record<string, Cell>, right: Record<string, Cell>, isDrawn: boolean): HTMLElement {
    const [a, b] = [left[info.name], right[info.name]];
    // Sums of two sets of views of different sizes are not comparable.
    const sum = isSum(info.name);
    const verdict = compare(info.name, a, b);
    const [nA, nB] = [a?.n ?? left.views?.n ?? null, b?.n ?? right.views?.n ?? null];
    const direction = verdict.difference === null ? 0 : Math.sign(verdict.difference) * worse(info.better);
    const small = verdict.kind === 'small' || Math.min(nA ?? 0, nB ?? 0) < SMALL_N;
    const tone = sum || small || verdict.kind !== 'clear' ? '' : direction > 0 ? 'worse' : direction < 0 ? 'better' : '';
    const value = (cell: Cell | undefined, n: number | null) => [formatValue(info.unit, cell?.value), sum ? '' : h('span', { class: 'n' }, `n = ${n === null ? '–' : format.count(n)}`)];
    return h(
      'tr',
      { class: isDrawn ? 'drawn' : undefined },
      h('th', { scope: 'row' }, h('button', { type: 'button', class: 'as-link', 'aria-pressed': String(isDrawn), title: 'Draw it', click: () => this.#draw(info.name) }, metricName(info.name))),
      h('td', { class: 'number', 'data-label': 'A' }, ...value(a, nA)),
      h('td', { class: 'number', 'data-label': 'B' }, ...value(b, nB)),
      h('td', { class: `number strong ${tone}`, 'data-label': 'B − A' }, sum ? ratioText(a?.value, b?.value) : formatDifference(info.unit, verdict.difference), verdict.margin !== undefined && !sum ? h('span', { class: 'n' }, `± ${formatValue(info.unit, verdict.margin).replace('%', ' pp')}`) : ''),
      h('td', { class: `verdict ${tone}` }, sum ? '' : verdictText(verdict, small, direction)),
    );
  }
}

function ratioText(a: number | null | undefined, b: number | null | undefined): string {
  return a && b != null ? `× ${(b / a).toFixed(2)}` : format.NONE;
}

function verdictText({ kind, difference }: Verdict, small: boolean, direction: number): string {
  if (difference === null) return '';
  if (small) return 'too few views';
  if (kind === 'noise') return 'within chance';
  if (difference === 0) return 'the same';
  const word = direction > 0 ? 'B is worse' : direction < 0 ? 'B is better' : '';
  return kind === 'clear' ? word : word && `${word}, but how surely is not known`;
}
