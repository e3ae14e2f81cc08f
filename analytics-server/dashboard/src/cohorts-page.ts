// Cohorts: which groups of viewers make a metric worse than it is elsewhere, and by how much in all.

import { type Cohort, type Cohorts, get } from './api';
import { dimensions, ownDimension } from './filter-bar';
import { dimensionName, filterText, parseFilters, valueName } from './filters';
import { fillOnce, h, setText } from './dom';
import { footnote } from './footnote';
import * as format from './format';
import { metricOptions } from './metric-options';
import { formatDifference, formatValue, metricName, VIEWERS } from './metrics';
import type { Context, Page } from './page';
import { Picker } from './picker';
import { link, type State, timesOf } from './state';

const DEFAULT_METRIC = 'rebuffer_ratio';
const DEFAULT_BY = ['cdn_host', 'country', 'device', 'network', 'os', 'browser'];
/** The server looks at all pairs of so many. */
const MAX_BY = 6;
const MIN_N = ['10', '25', '100', '1000'];
const DEFAULT_MIN_N = '25';
const LIMIT = 25;
/** Of the largest impact; what is below is noise. */
const LEAST_IMPACT = 0.05;
const REFRESH_MS = 30_000;

export class CohortsPage implements Page {
  readonly title = 'Cohorts · Headgate analytics';
  readonly element = h('div', { class: 'cohorts stack' });
  readonly uses = { range: true, filters: true };
  #context: Context;
  #state!: State;
  #metric: Picker;
  #by: Picker;
  #min = h('select', { 'aria-label': 'Least n', change: () => this.#own({ min_n: this.#min.value === DEFAULT_MIN_N ? '' : this.#min.value }) }, ...MIN_N.map((n) => h('option', { value: n }, `n ≥ ${n}`)));
  #summary = h('p', { class: 'summary', role: 'status' }, '\u00a0');
  #body = h('tbody');
  #table = h(
    'table',
    { class: 'ranking', hidden: true },
    h('caption', { class: 'hidden' }, 'Cohorts, those with the largest impact first'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Cohort'),
        h('th', { scope: 'col', class: 'number' }, 'Value'),
        h('th', { scope: 'col', class: 'number', title: 'To all views that pass the filters' }, 'Difference'),
        h('th', { scope: 'col', class: 'number', title: 'Views that the value is of' }, 'n'),
        h('th', { scope: 'col', title: 'Views × difference: how much of the whole this cohort makes worse' }, 'Impact'),
        h('th', { scope: 'col', class: 'number', title: 'Part of all that its dimension makes worse' }, 'Share'),
        h('th', { scope: 'col' }, h('span', { class: 'hidden' }, 'What to do with it')),
      ),
    ),
    this.#body,
  );
  #none = h('p', { class: 'note card-note' }, 'Loading…');
  #foot = h('p', { class: 'footnote' });

  constructor(context: Context) {
    this.#context = context;
    this.#metric = new Picker({ label: 'Metric…', options: () => metricOptions('quality'), chosen: () => [this.#name()], onChoose: (metric) => this.#own({ metric }) });
    this.#by = new Picker({
      label: 'Dimensions…',
      options: dimensions,
      chosen: () => this.#dimensions(),
      several: true,
      onChoose: (one) => {
        const old = this.#dimensions();
        const next = old.includes(one) ? old.filter((name) => name !== one) : [...old, one].slice(-MAX_BY);
        if (next.length > 0) this.#own({ by: next.join(',') });
      },
      typed: ownDimension,
    });
    this.element.append(
      h('h1', { class: 'hidden' }, 'Cohorts'),
      h('div', { class: 'toolbar' }, this.#metric.element, this.#by.element, this.#min),
      this.#summary,
      h('div', { class: 'card table-card' }, this.#table, this.#none),
      this.#foot,
    );
  }

  show(state: State): void {
    this.#state = state;
    this.#metric.text = metricName(this.#name());
    this.#by.text = `${this.#dimensions().length} dimensions`;
    const min = this.#minN();
    if (!MIN_N.includes(min) && ![...this.#min.options].some(({ value }) => value === min)) this.#min.append(h('option', { value: min }, `n ≥ ${min}`));
    this.#min.value = min;
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    const state = this.#state;
    const { from, to } = timesOf(state.range, Date.now());
    const params = { metric: this.#name(), by: this.#dimensions().join(','), filter: state.filters.map(filterText), site: state.site, bots: state.bots ? 'true' : '', from, to, min_n: this.#minN(), limit: LIMIT };
    const answer = await get<Cohorts>('/v1/cohorts', params, { signal, maxAgeMs: 15_000 });
    this.#fill(answer);
    return 'last' in state.range ? REFRESH_MS : undefined;
  }

  destroy(): void {}

  #name(): string {
    const name = this.#state.own.get('metric')?.split(',')[0] ?? '';
    return /^[a-z0-9_]+$/.test(name) && name !== VIEWERS.name ? name : DEFAULT_METRIC;
  }

  #dimensions(): string[] {
    const names = (this.#state.own.get('by') ?? '').split(',').filter(Boolean);
    return names.length > 0 ? [...new Set(names)].slice(0, MAX_BY) : DEFAULT_BY;
  }

  #minN(): string {
    const text = this.#state.own.get('min_n') ?? '';
    return /^[1-9]\d{0,6}$/.test(text) ? text : DEFAULT_MIN_N;
  }

  #own(change: Record<string, string>): void {
    const own = new URLSearchParams(this.#state.own);
    for (const [name, value] of Object.entries(change)) {
      if (value) own.set(name, value);
      else own.delete(name);
    }
    this.#context.go({ ...this.#state, own });
  }

  #fill(answer: Cohorts): void {
    const { metric, total, cohorts, left_out } = answer;
    const largest = Math.max(...cohorts.map(({ impact }) => impact), 0);
    const worse = cohorts.filter(({ impact }) => impact > 0 && impact >= largest * LEAST_IMPACT);
    const n = total.n == null ? '' : ` of ${format.views(total.n)}`;
    setText(this.#summary, `${metricName(metric.name)} is ${formatValue(metric.unit, total.value)} overall${n}. ${worse.length > 0 ? 'These cohorts make it worse, the largest impact first.' : ''}`);
    this.#table.hidden = worse.length === 0;
    this.#none.hidden = worse.length > 0;
    setText(this.#none, total.value === null ? 'No view has a value of this metric. Choose a longer time, another metric, or remove a filter.' : 'No cohort stands out: all have about the same value, or too few views.');
    fillOnce(this.#body, [answer.metric, worse, this.#state.filters, this.#state.own.toString()], () => worse.map((cohort) => this.#row(answer, cohort, largest)));
    const parts = ['Impact = views × difference to the overall value'];
    if (left_out) parts.push(`${format.count(left_out)} ${left_out === 1 ? 'cohort' : 'cohorts'} with n < ${this.#minN()} left out`);
    footnote(this.#foot, answer, undefined, ...parts);
  }

  #row({ metric }: Cohorts, cohort: Cohort, most: number): HTMLElement {
    const state = this.#state;
    const filters = [...state.filters, ...parseFilters(cohort.filters)];
    const by = Object.entries(cohort.by);
    const bar = h('i', { class: 'meter', 'aria-hidden': 'true' });
    bar.style.width = `${(cohort.impact / most) * 100}%`;
    // One value and all others; of a pair, the pair and everything.
    const [only] = cohort.filters;
    const rest = cohort.filters.length === 1 && only ? [only.replace(/^([^:]+):eq:/, '$1:ne:')] : [];
    return h(
      'tr',
      {},
      h('th', { scope: 'row', 'data-label': 'Cohort' }, h('a', { href: link(state, 'cohorts', Object.fromEntries(state.own), { filters }), 'data-link': true, title: 'Look within this cohort' }, ...by.map(([dimension, value]) => h('span', { class: 'cohort-part' }, h('span', { class: 'cohort-dimension' }, dimensionName(dimension)), valueName(value))))),
      h('td', { class: 'number strong', 'data-label': 'Value' }, formatValue(metric.unit, cohort.cell.value)),
      h('td', { class: 'number worse', 'data-label': 'Difference' }, formatDifference(metric.unit, cohort.difference)),
      h('td', { class: 'number', 'data-label': 'n' }, format.count(cohort.cell.n ?? cohort.views)),
      h('td', { class: 'impact', 'data-label': 'Impact' }, h('span', { class: 'meter-track' }, bar), h('span', { class: 'impact-value' }, formatImpact(metric.unit, cohort.impact))),
      h('td', { class: 'number', 'data-label': 'Share' }, format.percent(cohort.share)),
      h(
        'td',
        { class: 'actions' },
        h('a', { href: link(state, 'trends', { metric: metric.name }, { filters }), 'data-link': true }, 'Trend'),
        h('a', { href: link(state, 'compare', { a: rest, b: cohort.filters, metric: metric.name }), 'data-link': true }, 'Compare'),
        h('a', { href: link(state, 'views', { show: 'all' }, { filters }), 'data-link': true }, 'Views'),
      ),
    );
  }
}

/** Views times a value: of shares, as many views; of times, the time in all. */
function formatImpact(unit: Cohorts['metric']['unit'], impact: number): string {
  if (unit === 'milliseconds') return format.duration(impact);
  return unit === 'ratio' ? format.count(Math.round(impact * 10) / 10) : formatValue(unit, impact);
}
