// The charts of one view: what the player did, its buffer, throughput and rendition, and its requests.

import type uPlot from 'uplot';
import type { RequestEvent, State } from './api';
import { Chart, color } from './chart';
import { h } from './dom';
import * as format from './format';
import { throughput, type Timeline } from './timeline';

const STATE_COLORS: Record<State, string> = {
  idle: '--idle',
  starting: '--violet',
  playing: '--teal',
  paused: '--faint',
  rebuffering: '--red',
  seeking: '--amber',
  ended: '--idle',
  failed: '--red',
};

const LANES = ['manifest', 'video', 'audio', 'text'];

/** A part of a view, seconds. */
export type Part = [number, number];

export class ViewCharts {
  readonly elements: HTMLElement[];
  #timeline: Timeline | undefined;
  #onZoom: (part: Part) => void;
  #charts: [Chart, Chart, Chart, Chart];

  constructor(onZoom: (part: Part) => void) {
    this.#onZoom = onZoom;
    this.#charts = this.#makeCharts();
    this.elements = this.#charts.map((chart) => chart.element);
  }

  update(data: Timeline): void {
    this.#timeline = data;
    const range: [number, number] = [0, data.lengthMs / 1000];
    const [states, buffer, rates, requests] = this.#charts;
    const ends = [0, data.lengthMs / 1000];
    states.update(ends, [[null, null]], range);
    const samples = data.samples.map(({ t }) => t / 1000);
    buffer.update(samples, [data.samples.map(({ bufferMs }) => bufferMs / 1000)], range);
    const [x, ...values] = rateData(data);
    rates.update(x, values, range);
    requests.update(ends, [[null, null]], range);
    for (const chart of this.#charts) chart.redraw();
  }

  zoom(part: Part | undefined): void {
    for (const chart of this.#charts) chart.zoom(part);
  }

  /** Puts the cursor at a time. */
  point(seconds: number): void {
    this.#charts[1].point(seconds);
  }

  destroy(): void {
    for (const chart of this.#charts) chart.destroy();
  }

  #makeCharts(): [Chart, Chart, Chart, Chart] {
    const common = {
      sync: 'view',
      formatX: (seconds: number) => format.position(seconds * 1000),
      onZoom: (min: number, max: number) => this.#onZoom([Math.max(0, min), max]),
    };
    const marks = (plot: uPlot) => this.#drawMarks(plot);
    return [
      new Chart({ ...common, title: 'State', height: 30, showX: false, format: String, lanes: [''], series: [], underlay: (plot) => this.#drawStates(plot) }),
      new Chart({
        ...common,
        title: 'Buffer',
        height: 130,
        showX: false,
        format: (seconds) => format.wait(seconds * 1000),
        minMax: 5,
        series: [{ label: 'ahead', color: '--blue', kind: 'area' }],
        underlay: marks,
      }),
      new Chart({
        ...common,
        title: 'Throughput and rendition',
        height: 220,
        showX: false,
        format: format.bitrate,
        minMax: 1000,
        series: [
          { label: 'estimate', color: '--violet', kind: 'line', spanGaps: true },
          { label: 'rendition', color: '--teal', kind: 'steps', spanGaps: true, width: 2.25 },
          { label: 'requests', color: '--blue', kind: 'points' },
        ],
        underlay: marks,
      }),
      new Chart({ ...common, title: 'Requests', height: 112, format: String, lanes: LANES, series: [], underlay: (plot) => this.#drawRequests(plot) }),
    ];
  }

  #drawStates(plot: uPlot): void {
    paint(plot, ({ left, right, top, height, ctx }) => {
      for (const { fromMs, toMs, state } of this.#timeline?.states ?? []) {
        ctx.fillStyle = color(STATE_COLORS[state]);
        const [a, b] = [left(fromMs), right(toMs)];
        ctx.fillRect(a, top, Math.max(b - a, 1), height);
      }
    });
  }

  /** Stalls and seeks as shades, errors as lines. */
  #drawMarks(plot: uPlot): void {
    paint(plot, ({ left, right, top, height, ctx, px }) => {
      const shade = (fromMs: number, toMs: number, name: string, alpha: string) => {
        ctx.fillStyle = `${color(name)}${alpha}`;
        ctx.fillRect(left(fromMs), top, Math.max(right(toMs) - left(fromMs), px), height);
      };
      for (const { fromMs, toMs } of this.#timeline?.seeks ?? []) shade(fromMs, toMs, '--amber', '40');
      for (const { fromMs, toMs } of this.#timeline?.stalls ?? []) shade(fromMs, toMs, '--red', '33');
      for (const { t, fatal } of this.#timeline?.errors ?? []) {
        ctx.fillStyle = color('--red');
        ctx.fillRect(left(t) - px, top, fatal ? 2 * px : px, height);
      }
    });
  }

  #drawRequests(plot: uPlot): void {
    this.#drawMarks(plot);
    const requests = this.#timeline?.requests ?? [];
    const lanes = LANES.filter((name) => name === 'video' || requests.some(({ event }) => laneOf(event) === name));
    const lane = plot.bbox.height / lanes.length;
    paint(plot, ({ left, right, top, ctx, px }) => {
      for (const { fromMs, toMs, event, failed } of requests) {
        const y = top + lane * (lanes.indexOf(laneOf(event)) + 0.2);
        const [a, b] = [left(fromMs), right(toMs)];
        ctx.fillStyle = color(failed ? '--red' : event.cancelled ? '--amber' : event.track === 'audio' ? '--violet' : event.track === 'video' ? '--blue' : '--faint');
        ctx.globalAlpha = failed || event.cancelled ? 1 : 0.8;
        ctx.fillRect(a, y, Math.max(b - a, 1.5 * px), lane * 0.6);
      }
      ctx.globalAlpha = 1;
    });
    const { ctx, bbox } = plot;
    const px = devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * px}px system-ui, sans-serif`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    ctx.fillStyle = color('--muted');
    lanes.forEach((name, at) => ctx.fillText(name, bbox.left - 8 * px, bbox.top + lane * (at + 0.5)));
    ctx.restore();
  }
}

/** Calls `draw` with the plotting area, clipped to it; times in ms. */
function paint(
  plot: uPlot,
  draw: (area: { left: (ms: number) => number; right: (ms: number) => number; top: number; height: number; ctx: CanvasRenderingContext2D; px: number }) => void,
): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const at = (ms: number) => plot.valToPos(ms / 1000, 'x', true);
  draw({ left: at, right: at, top: bbox.top, height: bbox.height, ctx, px: devicePixelRatio });
  ctx.restore();
}

function laneOf(event: RequestEvent): string {
  return event.track && LANES.includes(event.track) ? event.track : 'manifest';
}

/** x, then estimate, rendition and the requests' throughput on it. */
function rateData(data: Timeline): [number[], (number | null)[], (number | null)[], (number | null)[]] {
  const points = data.requests.flatMap(({ toMs, event }) => {
    const kbps = event.track === 'video' ? throughput(event) : undefined;
    return kbps === undefined ? [] : [{ t: toMs, kbps }];
  });
  const end = { t: data.lengthMs, kbps: data.renditions.at(-1)?.kbps ?? 0 };
  const renditions = data.renditions.length > 0 ? [...data.renditions, end] : [];
  const times = [...new Set([data.samples, renditions, points].flatMap((list) => list.map(({ t }) => t)))].sort((a, b) => a - b);
  const column = (list: readonly { t: number; kbps: number }[]): (number | null)[] => {
    const values = new Map(list.map(({ t, kbps }) => [t, kbps]));
    return times.map((t) => values.get(t) ?? null);
  };
  const estimates = data.samples.filter(({ kbps }) => kbps > 0);
  return [times.map((t) => t / 1000), column(estimates), filled(column(renditions)), column(points)];
}

/** A rendition is seen until the next one is. */
function filled(values: (number | null)[]): (number | null)[] {
  let last: number | null = null;
  return values.map((value) => (last = value ?? last));
}

export function stateLegend(): HTMLElement {
  const shown: State[] = ['starting', 'playing', 'paused', 'seeking', 'rebuffering'];
  return h('div', { class: 'legends states' }, ...shown.map((state) => h('span', { class: 'legend' }, h('i', { class: `swatch bars ${STATE_COLORS[state].slice(2)}`, 'aria-hidden': 'true' }), state)));
}
