// uPlot in the dashboard's clothes: a card with a title, a legend that reads out the cursor, colours of the theme.

import uPlot from 'uplot';
import { h, setText } from './dom';
import { calendar, day, pad, short, zoneName } from './format';
import { onTheme } from './theme';

export type Kind = 'area' | 'bars' | 'line' | 'points' | 'steps';

export interface SeriesOptions {
  label: string;
  /** A colour of css/tokens.css, as `--blue`. */
  color: string;
  kind: Kind;
  /** Lines go on over buckets without a value. */
  spanGaps?: boolean;
  width?: number;
  /** A line of dashes: what was before, to compare with. */
  dashed?: boolean;
}

export interface ChartOptions {
  title: string;
  /** What the numbers mean, as the title's tooltip. */
  hint?: string;
  height: number;
  series: SeriesOptions[];
  /** For the axis, the legend and the cursor. */
  format: (value: number) => string;
  /** For the cursor's place on the x axis. */
  formatX: (seconds: number) => string;
  /** Bars stand on each other, the first one at the bottom. */
  stacked?: boolean;
  /** Charts with the same key share the cursor. */
  sync: string;
  /** x is the time of day; otherwise it is the time since a view's start. */
  clock?: boolean;
  showX?: boolean;
  /** The least upper end of the y axis. */
  minMax?: number;
  /** Keys move the cursor; each place is `x` as it is drawn. */
  keys?: boolean;
  /** The y axis has no numbers: what is drawn is drawn by `underlay`. */
  lanes?: string[];
  /** Draws beneath the series. */
  underlay?: (plot: uPlot) => void;
  /** The cursor moved to this place of `x`, or away. */
  onCursor?: (index: number | null) => void;
  /** The x range was changed by hand. */
  onZoom?: (min: number, max: number) => void;
}

const Y_AXIS_PX = 64;
const RIGHT_PX = 14;
const live = new Set<Chart>();

/** A colour of the theme that is valid now. */
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

onTheme(() => {
  for (const chart of live) chart.repaint();
});

export class Chart {
  readonly element: HTMLElement;
  #options: ChartOptions;
  #plot: uPlot | undefined;
  #body = h('div', { class: 'chart-body' });
  #at = h('span', { class: 'chart-at' });
  #title = h('h3');
  #legends = h('div', { class: 'legends' });
  #values: HTMLElement[] = [];
  #zone = zoneName();
  /** There is something to draw. */
  #isFilled = false;
  #raw: (number | null)[][] = [];
  #x: number[] = [];
  #range: [number, number] = [0, 1];
  #zoom: [number, number] | undefined;
  #resize: ResizeObserver;

  constructor(options: ChartOptions) {
    this.#options = options;
    setText(this.#title, options.title);
    if (options.hint) this.#title.setAttribute('title', options.hint);
    this.element = h('section', { class: 'card chart', 'aria-label': options.title }, h('header', {}, this.#title, this.#at, this.#legends), this.#body);
    this.#fillLegends();
    if (options.keys) {
      for (const [name, value] of Object.entries({ tabindex: '0', role: 'group', 'aria-label': `${options.title}: arrow keys read the values` })) this.#body.setAttribute(name, value);
      this.#body.addEventListener('keydown', (event) => this.#onKey(event));
      this.#body.addEventListener('blur', () => this.#plot?.setCursor({ left: -10, top: -10 }));
    }
    this.#resize = new ResizeObserver(() => this.#fit());
    this.#resize.observe(this.#body);
    live.add(this);
  }

  /** Other series than before. */
  setSeries(title: string, hint: string | undefined, series: SeriesOptions[], format: (value: number) => string, minMax: number): void {
    const key = JSON.stringify([title, series, minMax, zoneName()]);
    if (key === this.element.dataset.key) return;
    this.element.dataset.key = key;
    this.#options = { ...this.#options, title, hint, series, format, minMax };
    setText(this.#title, title);
    this.#title.setAttribute('title', hint ?? '');
    this.element.setAttribute('aria-label', title);
    this.#fillLegends();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #fillLegends(): void {
    this.#values = [];
    const legends = this.#options.series.map(({ label, color: name, kind, dashed }) => {
      const value = h('b');
      this.#values.push(value);
      return h('span', { class: 'legend', title: label }, h('i', { class: `swatch ${dashed ? 'dashed' : kind} ${name.slice(2)}`, 'aria-hidden': 'true' }), h('span', { class: 'legend-name' }, label), value);
    });
    this.#legends.replaceChildren(...legends);
    // Series that are not known yet will have a legend: room is kept for it.
    this.#legends.hidden = this.#options.lanes !== undefined;
  }

  #onKey(event: KeyboardEvent): void {
    const plot = this.#plot;
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = plot.cursor.idx;
    const last = this.#x.length - 1;
    const next = { ArrowLeft: at == null ? last : at - 1, ArrowRight: at == null ? 0 : at + 1, Home: 0, End: last }[event.key];
    if (next === undefined || last < 0) return;
    event.preventDefault();
    this.point(this.#x[Math.min(Math.max(next, 0), last)] ?? 0);
  }

  /** `x` in seconds, one array of values a series; the x axis spans `range`. */
  update(x: number[], values: (number | null)[][], range: [number, number]): void {
    this.#isFilled = true;
    this.#x = x;
    this.#raw = values;
    this.#range = range;
    if (this.#zone !== zoneName()) {
      this.#zone = zoneName();
      this.#plot?.destroy();
      this.#plot = undefined;
    }
    if (!this.#plot) this.#create();
    else {
      this.#plot.setData(this.#data(), false);
      this.#plot.setScale('x', this.#x_range());
    }
    this.#read(this.#plot?.cursor.idx ?? null);
  }

  /** Shows a part of the x axis; nothing, all of it. */
  zoom(part: [number, number] | undefined): void {
    this.#zoom = part;
    this.#plot?.setScale('x', this.#x_range());
  }

  /** Draws once more: what lies beneath has changed. */
  redraw(): void {
    this.#plot?.redraw(false);
  }

  /** Puts the cursor of this chart, and with it of those that share it, at a time. */
  point(seconds: number): void {
    this.#plot?.setCursor({ left: this.#plot.valToPos(seconds, 'x'), top: 10 });
  }

  repaint(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#create();
  }

  destroy(): void {
    live.delete(this);
    this.#resize.disconnect();
    this.#plot?.destroy();
  }

  #x_range(): { min: number; max: number } {
    const [min, max] = this.#zoom ?? this.#range;
    return { min, max };
  }

  #data(): uPlot.AlignedData {
    if (!this.#options.stacked) return [this.#x, ...this.#raw] as uPlot.AlignedData;
    // uPlot paints in order: the tallest stack first, the lower ones over it.
    const sums: (number | null)[][] = [];
    for (const [place, values] of this.#raw.entries()) {
      const below = sums[place - 1];
      sums.push(values.map((value, at) => (value ?? 0) + (below?.[at] ?? 0)));
    }
    return [this.#x, ...sums.reverse()] as uPlot.AlignedData;
  }

  #create(): void {
    const width = this.#body.clientWidth;
    if (width === 0 || !this.#isFilled || !this.element.isConnected) return;
    const plot = new uPlot(this.#uplot(width), this.#data(), this.#body);
    this.#plot = plot;
    plot.setScale('x', this.#x_range());
    // Two fingers scroll the page; a finger that rests reads the chart.
    plot.over.style.touchAction = 'pan-y';
  }

  #fit(): void {
    const width = this.#body.clientWidth;
    if (!this.#plot) this.#create();
    else if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: this.#options.height });
  }

  /** The legend: values under the cursor, or the last ones. */
  #read(index: number | null): void {
    const { format, formatX, lanes } = this.#options;
    const x = index === null ? undefined : this.#x[index];
    setText(this.#at, x === undefined ? '' : formatX(x));
    for (const [place, element] of this.#values.entries()) {
      const values = this.#raw[place] ?? [];
      const value = index === null ? undefined : values[index];
      setText(element, lanes || value == null ? '' : format(value));
    }
  }

  #uplot(width: number): uPlot.Options {
    const { height, series, format, formatX, stacked, sync, clock, minMax, lanes, underlay, onCursor, onZoom, showX = true } = this.#options;
    const grid = { stroke: color('--grid'), width: 1 };
    const axis = { stroke: color('--muted'), font: '11px system-ui, sans-serif', ticks: { show: false } };
    const drawn = stacked ? [...series].reverse() : series;
    return {
      width,
      height,
      tzDate: (seconds) => (zoneName() === 'UTC' ? uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') : new Date(seconds * 1000)),
      padding: [8, RIGHT_PX, showX ? 0 : 6, 0],
      legend: { show: false },
      cursor: {
        sync: { key: sync, setSeries: false },
        y: false,
        drag: { x: onZoom !== undefined, y: false, setScale: false },
        points: { size: 7, width: 2, show: !lanes },
      },
      scales: {
        x: { time: clock ?? false, auto: false },
        y: {
          range: (_, min, max) => (lanes ? [0, lanes.length] : [0, Math.max((Math.max(max ?? 0, min ?? 0) || 0) * 1.08, minMax ?? 1)]),
        },
      },
      axes: [
        {
          ...axis,
          show: showX,
          size: 28,
          space: 70,
          grid: { show: false },
          values: clock ? clockLabels : (_: uPlot, splits: number[]) => splits.map((value) => short(formatX(value))),
          ...(clock ? {} : { incrs: SPAN_STEPS }),
        },
        {
          ...axis,
          size: Y_AXIS_PX,
          space: 34,
          gap: 6,
          grid,
          values: lanes ? () => [] : (_, splits) => splits.map((value) => short(format(value))),
        },
      ],
      series: [{}, ...drawn.map((one) => this.#line(one, one === series[0]))],
      hooks: {
        drawAxes: underlay ? [underlay] : [],
        setCursor: [
          (plot) => {
            this.#read(plot.cursor.idx ?? null);
            onCursor?.(plot.cursor.idx ?? null);
          },
        ],
        setSelect: [
          (plot) => {
            const { left, width: selected } = plot.select;
            if (selected < 8) return;
            onZoom?.(plot.posToVal(left, 'x'), plot.posToVal(left + selected, 'x'));
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
  }

  #line(options: SeriesOptions, first: boolean): uPlot.Series {
    const { kind, spanGaps = false, width = 1.75, dashed } = options;
    const stroke = color(options.color);
    const line: uPlot.Series = { stroke, width, spanGaps, points: { size: 5, fill: stroke, width: 0, filter: lonely } };
    if (dashed) line.dash = [4, 4];
    if (kind === 'area') line.fill = `${stroke}${first ? '26' : '14'}`;
    if (kind === 'steps' && uPlot.paths.stepped) line.paths = uPlot.paths.stepped({ align: 1 });
    if (kind === 'bars' && uPlot.paths.bars) {
      line.paths = uPlot.paths.bars({ size: [0.7, 24], radius: 0.15 });
      line.fill = stroke;
      line.width = 0;
      line.points = { show: false };
    }
    if (kind === 'points') {
      line.paths = () => null;
      line.points = { show: true, size: 6, fill: `${stroke}b0`, width: 0 };
    }
    return line;
  }
}

/** The values that a line alone would hide: those between gaps, or all when there are few. */
function lonely(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const known = [...values.keys()].filter((at) => values[at] != null);
  return known.length <= 12 ? known : known.filter((at) => values[at - 1] == null && values[at + 1] == null);
}

/** Hours and minutes; at midnight, the day. */
function clockLabels(_: uPlot, splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  return splits.map((seconds) => {
    const { hour, minute, second } = calendar(seconds * 1000);
    if (step >= 3600 && hour === 0 && minute === 0) return day(seconds * 1000);
    return `${pad(hour)}:${pad(minute)}${step < 60 ? `:${pad(second)}` : ''}`;
  });
}

/** Steps of the time since a view's start, seconds. */
const SPAN_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200];
