// One metric over time: a chart, and below it the numbers of the whole range.

import type { Answer, Cell, MetricInfo, Overview } from './api';
import { Chart, type SeriesOptions } from './chart';
import { valueName } from './filters';
import { fillOnce, h } from './dom';
import * as format from './format';
import { compare, formatDifference, formatValue, leastMax, metricName, SMALL_N, VIEWERS, VIEWERS_DEFINITION, worse } from './metrics';
import { bucketTimes, cellsOf, drawn, type Group, groupsOf, isSum, keyOf } from './trends-data';

export const PALETTE = ['--blue', '--orange', '--teal', '--violet', '--sky', '--ochre', '--rose', '--slate'];

export interface Shown {
  info: MetricInfo;
  series: Answer;
  totals: Answer;
  before: Answer | undefined;
  totalsBefore: Answer | undefined;
  from: number;
  to: number;
  bucketMs: number;
  shiftMs: number;
  nowMs: number;
}

export class TrendCard {
  readonly element: HTMLElement;
  #metric: string;
  #hint: string | undefined;
  #chart: Chart;
  #table = h('table', { class: 'numbers' });
  #note = h('p', { class: 'card-note note', hidden: true });
  #details = h('details', { class: 'all-numbers', toggle: () => this.#fillDetails() }, h('summary', {}, 'Every bucket'));
  #detailsBody = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Values of every bucket' });
  #buckets: { times: number[]; columns: { name: string; cells: (Cell | undefined)[] }[]; info: MetricInfo } | undefined;
  /** Views behind each bucket, for the cursor. */
  #n: (number | null)[] = [];
  #times: number[] = [];
  #narrow: (by: Record<string, string>) => void;

  constructor(metric: string, zoom: (fromMs: number, toMs: number) => void, narrow: (by: Record<string, string>) => void) {
    this.#metric = metric;
    this.#narrow = narrow;
    this.#hint = metric === VIEWERS.name ? VIEWERS_DEFINITION : undefined;
    this.#chart = new Chart({
      title: metricName(metric),
      height: 190,
      series: [],
      format: String,
      formatX: (seconds) => this.#cursor(seconds),
      sync: 'trends',
      clock: true,
      keys: true,
      onZoom: (min, max) => zoom(min * 1000, max * 1000),
    });
    this.#details.append(this.#detailsBody);
    this.element = h('article', { class: 'card trend' }, this.#chart.element, this.#note, this.#table, this.#details);
    this.#chart.element.classList.remove('card');
  }

  define(definition: string): void {
    this.#hint = `${this.#metric} = ${definition}`;
  }

  update(shown: Shown): void {
    const { info, series, totals, before, from, to, bucketMs, shiftMs, nowMs } = shown;
    const groups = groupsOf(totals);
    const times = bucketTimes(from, to, bucketMs);
    const sum = isSum(info.name);
    const range = { from, to };
    const columns = groups.map(({ key, by }) => ({ name: groupName(by), cells: cellsOf(series, key, info.name, times) }));
    const values = columns.map(({ cells }) => drawn(cells, times, bucketMs, info.unit, sum, range, nowMs));
    const lines: SeriesOptions[] = groups.map(({ by }, at) => ({ label: groupName(by), color: PALETTE[at] ?? '--slate', kind: series.by.length > 0 || before ? 'line' : 'area', spanGaps: false }));
    if (before) {
      const cells = cellsOf(before, keyOf({}), info.name, times, shiftMs);
      lines.push({ label: 'period before', color: '--slate', kind: 'line', width: 1.25, dashed: true });
      values.push(drawn(cells, times, bucketMs, info.unit, sum, { from: 0, to: Number.POSITIVE_INFINITY }, Number.POSITIVE_INFINITY));
      columns.push({ name: 'Period before', cells });
    }
    const alone = groups[0]?.key;
    this.#n = series.by.length === 0 && alone !== undefined ? columns[0]?.cells.map((cell, at) => cell?.n ?? cellsOf(series, alone, 'views', times)[at]?.n ?? 0) ?? [] : [];
    this.#times = times;
    this.#draw(info, lines, times, values, from, to);
    this.#fillTable(shown, groups);
    this.#buckets = { times, columns, info };
    this.#fillDetails();
  }

  viewers(now: Overview, before: Overview | undefined, shiftMs: number, isNarrowed: boolean): void {
    const { series, from_ms, to_ms } = now;
    const lines: SeriesOptions[] = [
      { label: 'mean', color: '--blue', kind: 'area' },
      { label: 'peak', color: '--sky', kind: 'line', width: 1 },
    ];
    const values = [series.concurrent_viewers, series.concurrent_viewers_peak];
    if (before) {
      const old = new Map(before.series.t_ms.map((t, at) => [t + shiftMs, before.series.concurrent_viewers[at] ?? null]));
      lines.push({ label: 'mean of the period before', color: '--slate', kind: 'line', width: 1.25, dashed: true });
      values.push(series.t_ms.map((t) => old.get(t) ?? null));
    }
    this.#n = [];
    this.#draw(VIEWERS, lines, series.t_ms, values, from_ms, to_ms);
    this.#note.hidden = !isNarrowed;
    this.#note.textContent = 'Viewers at a time are counted by site only: filters and dimensions do not apply here.';
    const rows = [['Peak', format.count(now.totals.concurrent_viewers_peak)], ...(before ? [['Peak of the period before', format.count(before.totals.concurrent_viewers_peak)]] : [])];
    fillOnce(this.#table, rows, () => rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name ?? ''), h('td', { class: 'number' }, value ?? ''))));
    this.#details.hidden = true;
  }

  destroy(): void {
    this.#chart.destroy();
  }

  #draw(info: MetricInfo, lines: SeriesOptions[], times: number[], values: (number | null)[][], from: number, to: number): void {
    this.#chart.setSeries(metricName(info.name), this.#hint, lines.length > 0 ? lines : [{ label: 'nothing', color: '--slate', kind: 'line' }], (value) => formatValue(info.unit, value), leastMax(info.unit));
    this.#chart.update(times.map((ms) => ms / 1000), values.length > 0 ? values : [times.map(() => null)], [from / 1000, to / 1000]);
  }

  #cursor(seconds: number): string {
    const n = this.#n[this.#times.indexOf(seconds * 1000)];
    return `${format.time(seconds * 1000, Date.now())}${n == null ? '' : ` · n = ${format.count(n)}`}`;
  }

  #fillTable({ info, totals, totalsBefore }: Shown, groups: Group[]): void {
    const find = (answer: Answer | undefined, key: string) => answer?.rows.find(({ by }) => keyOf(by) === key)?.values;
    const rows = groups.map((group) => {
      const [values, old] = [find(totals, group.key), find(totalsBefore, group.key)];
      return { group, cell: values?.[info.name], views: values?.views, old: old?.[info.name] };
    });
    const previous = totalsBefore !== undefined;
    fillOnce(this.#table, [rows, previous, totals.more], () => [
      h('caption', { class: 'hidden' }, `${metricName(info.name)} of the whole range`),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, totals.by.length > 0 ? 'Group' : 'Whole range'), h('th', { scope: 'col', class: 'number' }, 'Value'), previous && h('th', { scope: 'col', class: 'number' }, 'Before'), previous && h('th', { scope: 'col', class: 'number' }, 'Change'), h('th', { scope: 'col', class: 'number', title: 'Views that the number is of' }, 'n'))),
      h('tbody', {}, ...rows.map((row, at) => this.#row(info, row, at, previous))),
      totals.more ? h('tfoot', {}, h('tr', {}, h('td', { colspan: '5', class: 'note' }, 'There are more groups; these have the most views.'))) : '',
    ]);
  }

  #row(info: MetricInfo, { group, cell, views, old }: { group: Group; cell: Cell | undefined; views: Cell | undefined; old: Cell | undefined }, at: number, previous: boolean): HTMLElement {
    const n = cell?.n ?? views?.n ?? null;
    const verdict = compare(info.name, old, cell);
    const direction = verdict.difference === null ? 0 : Math.sign(verdict.difference) * worse(info.better);
    const tone = verdict.kind === 'small' || verdict.kind === 'noise' ? '' : direction > 0 ? 'worse' : direction < 0 ? 'better' : '';
    const name = groupName(group.by);
    const isGroup = Object.keys(group.by).length > 0;
    return h(
      'tr',
      {},
      h(
        'th',
        { scope: 'row' },
        h('i', { class: `swatch area ${(PALETTE[at] ?? '--slate').slice(2)}`, 'aria-hidden': 'true' }),
        isGroup ? h('button', { type: 'button', class: 'as-link', title: `Only ${name}`, click: () => this.#narrow(group.by) }, name) : name,
      ),
      h('td', { class: 'number strong' }, formatValue(info.unit, cell?.value)),
      previous && h('td', { class: 'number' }, formatValue(info.unit, old?.value)),
      previous && h('td', { class: `number ${tone}`, title: verdict.kind === 'noise' ? 'Within what chance explains' : '' }, verdict.kind === 'small' ? 'n too small' : formatDifference(info.unit, verdict.difference)),
      h('td', { class: `number ${n !== null && n < SMALL_N ? 'few' : 'muted'}`, title: n !== null && n < SMALL_N ? 'Too few views to say much' : '' }, n === null ? '–' : format.count(n)),
    );
  }

  #fillDetails(): void {
    if (!this.#details.open || !this.#buckets) return;
    const { times, columns, info } = this.#buckets;
    fillOnce(this.#detailsBody, [times[0], columns], () => [
      h(
        'table',
        { class: 'numbers' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Time'), ...columns.flatMap(({ name }) => [h('th', { scope: 'col', class: 'number' }, name), h('th', { scope: 'col', class: 'number' }, 'n')]))),
        h(
          'tbody',
          {},
          ...times.map((t, at) => h('tr', {}, h('th', { scope: 'row' }, format.time(t, Date.now())), ...columns.flatMap(({ cells }) => [h('td', { class: 'number' }, formatValue(info.unit, cells[at]?.value)), h('td', { class: 'number muted' }, format.count(cells[at]?.n))]))).reverse(),
        ),
      ),
    ]);
  }
}

function groupName(by: Record<string, string>): string {
  return Object.values(by).map(valueName).join(' · ') || 'All views';
}
