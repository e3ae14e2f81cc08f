// Trends: any metrics over time, of all views or by a dimension, with the period before beneath.

import { type Answer, definitions, get, type MetricInfo, type Overview } from './api';
import { dimensions, ownDimension } from './filter-bar';
import { dimensionName, filterText } from './filters';
import { h, setText } from './dom';
import { metricOptions } from './metric-options';
import { metricName, VIEWERS } from './metrics';
import type { Context, Page } from './page';
import { Picker } from './picker';
import { footnote } from './footnote';
import { bucketOf, fixedRange, link, type State, timesOf } from './state';
import { type Shown, TrendCard } from './trend-card';

const DEFAULT_METRICS = ['rebuffer_ratio', 'startup_ms_p95', 'failure_pct', 'avg_bitrate'];
const MAX_METRICS = 12;
const GROUPS = 8;
const REFRESH_MS = 15_000;
const REFRESH_LONG_MS = 60_000;

export class TrendsPage implements Page {
  readonly title = 'Trends · Headgate analytics';
  readonly element = h('div', { class: 'trends stack' });
  readonly uses = { range: true, filters: true };
  #context: Context;
  #state!: State;
  #cards = new Map<string, TrendCard>();
  #grid = h('div', { class: 'trend-grid' });
  #foot = h('p', { class: 'footnote' });
  #problem = h('p', { class: 'note', hidden: true });
  #metrics: Picker;
  #by: Picker;
  #previous = h('input', { type: 'checkbox', change: () => this.#own({ prev: this.#previous.checked ? '1' : '' }) });
  #whole = h('a', { class: 'quiet', 'data-link': true, hidden: true }, 'Zoom out');

  constructor(context: Context) {
    this.#context = context;
    this.#metrics = new Picker({
      label: 'Metrics…',
      options: () => metricOptions('all'),
      chosen: () => this.#chosen(),
      several: true,
      onChoose: (metric) => {
        const chosen = this.#chosen();
        const next = chosen.includes(metric) ? chosen.filter((one) => one !== metric) : [...chosen, metric].slice(-MAX_METRICS);
        if (next.length > 0) this.#own({ metric: next.join(',') });
      },
    });
    this.#by = new Picker({
      label: 'Break down by…',
      options: async () => [{ value: '', label: 'Nothing' }, ...(await dimensions())],
      chosen: () => [this.#dimension()],
      onChoose: (by) => this.#own({ by }),
      typed: ownDimension,
    });
    this.element.append(
      h('h1', { class: 'hidden' }, 'Trends'),
      h('div', { class: 'toolbar' }, this.#metrics.element, this.#by.element, h('label', { class: 'check' }, this.#previous, 'Period before'), this.#whole),
      this.#problem,
      this.#grid,
      this.#foot,
    );
  }

  show(state: State): void {
    this.#state = state;
    const metrics = this.#chosen();
    this.#metrics.text = metrics.length === 1 ? metricName(metrics[0] ?? '') : `${metrics.length} metrics`;
    this.#by.text = this.#dimension() ? `By ${dimensionName(this.#dimension())}` : 'Break down';
    this.#previous.checked = state.own.get('prev') === '1';
    this.#whole.hidden = 'last' in state.range;
    const { from, to } = timesOf(state.range, Date.now());
    const wider = fixedRange(Math.max(0, from - (to - from)), Math.min(Date.now(), to + (to - from))) ?? state.range;
    this.#whole.href = link(state, 'trends', Object.fromEntries(state.own), { range: wider });
    for (const [metric, card] of this.#cards) {
      if (metrics.includes(metric)) continue;
      card.destroy();
      this.#cards.delete(metric);
    }
    for (const metric of metrics) {
      if (!this.#cards.has(metric)) this.#cards.set(metric, new TrendCard(metric, (a, b) => this.#zoom(a, b), (by) => this.#narrow(by)));
    }
    const elements = metrics.flatMap((metric) => this.#cards.get(metric)?.element ?? []);
    if (elements.some((element, at) => this.#grid.children[at] !== element) || this.#grid.children.length !== elements.length) this.#grid.replaceChildren(...elements);
    this.#grid.classList.toggle('single', elements.length === 1);
    void definitions().then(({ metrics: known }) => {
      for (const { name, definition } of known) this.#cards.get(name)?.define(definition);
    }, () => undefined);
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    const state = this.#state;
    const { from, to } = timesOf(state.range, Date.now());
    const length = to - from;
    const bucket = bucketOf(length, innerWidth < 700 ? 60 : 100);
    const by = this.#dimension();
    const all = this.#chosen();
    const metrics = all.filter((metric) => metric !== VIEWERS.name);
    const options = { signal, maxAgeMs: 8_000 };
    // Numbers of views say how much is behind everything else, and which groups are the largest.
    const ask = (a: number, b: number, series: boolean) =>
      get<Answer>(
        '/v1/query',
        { metric: [...new Set([...metrics, 'views'])].join(','), by, filter: state.filters.map(filterText), site: state.site, bots: state.bots ? 'true' : '', from: a, to: b, order: '-views', limit: GROUPS, bucket: series ? bucket.name : undefined },
        options,
      );
    const previous = state.own.get('prev') === '1';
    // The period before begins at a bucket's start, too.
    const shift = Math.max(1, Math.round(length / bucket.ms)) * bucket.ms;
    const wantsViewers = all.includes(VIEWERS.name);
    const viewers = (a: number, b: number) => get<Overview>('/v1/overview', { site: state.site, from: a, to: b, bucket: bucket.name }, options);
    const [series, totals, before, totalsBefore, crowd, crowdBefore] = await Promise.all([
      ask(from, to, true),
      ask(from, to, false),
      previous && !by && from > shift ? ask(from - shift, to - shift, true) : undefined,
      previous && from > shift ? ask(from - shift, to - shift, false) : undefined,
      wantsViewers ? viewers(from, to) : undefined,
      wantsViewers && previous && from > shift ? viewers(from - shift, to - shift) : undefined,
    ]);
    const shown: Omit<Shown, 'info'> = { series, totals, before, totalsBefore, from, to, bucketMs: bucket.ms, shiftMs: shift, nowMs: series.now_ms };
    const infos = new Map<string, MetricInfo>(series.metrics.map((info) => [info.name, info]));
    for (const metric of metrics) {
      const info = infos.get(metric);
      if (info) this.#cards.get(metric)?.update({ ...shown, info });
    }
    if (crowd) this.#cards.get(VIEWERS.name)?.viewers(crowd, crowdBefore, shift, state.filters.length > 0 || by !== '');
    const nothing = totals.rows.every(({ values }) => !values.views?.n) && !crowd;
    this.#problem.hidden = !nothing;
    setText(this.#problem, state.filters.length > 0 ? 'No view passes these filters in this time. Remove one, or choose a longer time.' : 'No view began in this time. Choose a longer one, or an earlier one.');
    footnote(this.#foot, series, totals, `Buckets of ${bucket.name}`);
    if ('from' in state.range && state.range.to < series.now_ms - 86_400_000) return undefined;
    return length > 86_400_000 ? REFRESH_LONG_MS : REFRESH_MS;
  }

  destroy(): void {
    for (const card of this.#cards.values()) card.destroy();
  }

  #chosen(): string[] {
    const metrics = (this.#state.own.get('metric') ?? '').split(',').filter((name) => /^[a-z0-9_]+$/.test(name));
    return metrics.length > 0 ? [...new Set(metrics)].slice(0, MAX_METRICS) : DEFAULT_METRICS;
  }

  #dimension(): string {
    return this.#state.own.get('by') ?? '';
  }

  #own(change: Record<string, string>): void {
    const own = new URLSearchParams(this.#state.own);
    for (const [name, value] of Object.entries(change)) {
      if (value) own.set(name, value);
      else own.delete(name);
    }
    this.#context.go({ ...this.#state, own });
  }

  #zoom(fromMs: number, toMs: number): void {
    const range = fixedRange(fromMs, Math.min(toMs, Date.now()));
    if (range) this.#context.go({ ...this.#state, range });
  }

  /** Only this group from now on. */
  #narrow(by: Record<string, string>): void {
    const added = Object.entries(by).map(([dimension, value]) => ({ dimension, test: 'in' as const, values: [value] }));
    const own = new URLSearchParams(this.#state.own);
    own.delete('by');
    this.#context.go({ ...this.#state, own, filters: [...this.#state.filters, ...added] });
  }
}
