// One view: its numbers, its timeline, its events.

import uPlot from 'uplot';
import { ApiError, type Event, get, type OneView, type RequestEvent, type State, type View } from './api';
import { Chart, color } from './chart';
import { Choice, h, setClass, setText } from './dom';
import * as format from './format';
import { empty, type Page, Tile } from './page';
import { type Group, type Line, lines, throughput, type Timeline, timeline } from './timeline';
import { stateOf, titleOf } from './views-table';

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

const GROUPS = [
  ['all', 'All'],
  ['requests', 'Requests'],
  ['switches', 'Switches'],
  ['stalls', 'Stalls'],
  ['seeks', 'Seeks'],
  ['errors', 'Errors'],
] as const;
type Shown = (typeof GROUPS)[number][0];

const LANES = ['manifest', 'video', 'audio', 'text'];
const MAX_LINES = 400;

export class ViewPage implements Page {
  readonly element = h('div', { class: 'view stack' });
  readonly controls: HTMLElement[] = [];
  title = 'View';
  #id: string;
  #timeline: Timeline | undefined;
  #zoom: [number, number] | undefined;
  #events: Event[] = [];
  #lines: Line[] = [];
  #shown: Shown = 'all';
  #everything = false;

  #heading = h('h1');
  #badge = h('span');
  #about = h('p', { class: 'muted about' });
  #failure = h('p', { class: 'banner bad', role: 'alert', hidden: true });
  #tiles = {
    startup: new Tile('Startup time', 'From play intent to the first frame'),
    watched: new Tile('Watched', 'Startup, playing, rebuffering and seeking'),
    rebuffer: new Tile('Rebuffering', 'Time and ratio: rebuffering ÷ (playing + rebuffering)'),
    bitrate: new Tile('Average bitrate', 'Weighted by media time'),
    frames: new Tile('Dropped frames'),
    requests: new Tile('Requests'),
  };
  #charts = this.#makeCharts();
  #unzoom = h('button', { type: 'button', class: 'quiet', hidden: true, click: () => this.#setZoom(undefined) }, 'Show the whole view');
  #groups = new Choice<Shown>('Which events', GROUPS, (value) => {
    this.#shown = value;
    this.#everything = false;
    this.#fillLines();
  });
  #list = h('ol', { class: 'events', tabindex: '0', 'aria-label': 'Events' });
  #allLines = h('button', { type: 'button', class: 'more', hidden: true, click: () => {
    this.#everything = true;
    this.#fillLines();
  } }, 'Show all events');
  #noLines = h('p', { class: 'note', hidden: true }, 'No such event.');
  #facts = h('dl', { class: 'facts' });
  #content = h(
    'div',
    { class: 'stack', hidden: true },
    h('div', { class: 'title' }, h('div', { class: 'title-line' }, this.#heading, this.#badge), this.#about),
    this.#failure,
    h('section', { class: 'tiles', 'aria-label': 'Key numbers' }, ...Object.values(this.#tiles).map((tile) => tile.element)),
    h(
      'section',
      { class: 'stack', 'aria-labelledby': 'timeline' },
      h('div', { class: 'heading' }, h('h2', { id: 'timeline' }, 'Timeline'), stateLegend(), this.#unzoom),
      h('div', { class: 'card timeline' }, ...this.#charts.map((chart) => chart.element)),
    ),
    h(
      'div',
      { class: 'columns' },
      h(
        'section',
        { class: 'stack', 'aria-labelledby': 'events' },
        h('div', { class: 'heading' }, h('h2', { id: 'events' }, 'Events'), this.#groups.element),
        h('div', { class: 'card table-card' }, this.#list, this.#noLines),
        this.#allLines,
      ),
      h('section', { class: 'stack', 'aria-labelledby': 'facts' }, h('div', { class: 'heading' }, h('h2', { id: 'facts' }, 'Details')), h('div', { class: 'card' }, this.#facts)),
    ),
  );
  #missing = empty(
    'There is no such view',
    h('p', {}, 'It may not have arrived yet: a view can be looked at a few seconds after its first beacon. This page keeps looking.'),
    h('p', {}, h('a', { href: '/dashboard', 'data-link': true }, 'All views')),
  );

  constructor(id: string) {
    this.#id = id;
    this.#missing.hidden = true;
    this.#groups.value = this.#shown;
    this.element.append(h('nav', { 'aria-label': 'Breadcrumb' }, h('a', { class: 'back', href: '/dashboard', 'data-link': true }, '← All views')), this.#content, this.#missing);
  }

  async refresh(signal: AbortSignal): Promise<boolean> {
    let one: OneView;
    try {
      one = await get<OneView>(`/v1/views/${encodeURIComponent(this.#id)}`, {}, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      this.#missing.hidden = false;
      this.#content.hidden = true;
      return true;
    }
    this.#missing.hidden = true;
    this.#content.hidden = false;
    const { view, events, now_ms } = one;
    this.title = `${titleOf(view)} · Headgate analytics`;
    this.#fillHead(view, now_ms);
    this.#timeline = timeline(view, events);
    this.#fillCharts(this.#timeline);
    if (events.length !== this.#events.length || this.#lines.length === 0) {
      this.#events = events;
      this.#lines = lines(events);
      this.#fillLines();
    }
    this.#fillFacts(one);
    return view.phase === 'live' || view.phase === 'silent';
  }

  destroy(): void {
    for (const chart of this.#charts) chart.destroy();
  }

  #fillHead(view: View, nowMs: number): void {
    const state = stateOf(view);
    setText(this.#heading, titleOf(view));
    setText(this.#badge, state.text);
    setClass(this.#badge, `badge ${state.tone}`);
    const who = [view.browser, view.os, view.device].filter(Boolean).join(', ');
    const what = [view.protocol.toUpperCase(), view.stream_type === 'live' ? 'live' : view.stream_type && 'on demand'].filter(Boolean).join(' ');
    setText(this.#about, [`began ${format.time(view.start_ms, nowMs)}`, what, who, view.page_host && `on ${view.page_host}`].filter(Boolean).join(' · '));
    this.#failure.hidden = view.fatal === null;
    setText(this.#failure, view.fatal === null ? '' : `${view.startup_ms === null ? 'Failed before the first frame' : 'Failed during playback'} — ${view.fatal}${view.fatal_message ? `: ${view.fatal_message}` : ''}`);

    const { startup, watched, rebuffer, bitrate, frames, requests } = this.#tiles;
    startup.update(format.wait(view.startup_ms), [view.startup_ms === null && view.play_intent ? `waited ${format.wait(view.waited_ms)}` : view.play_intent ? 'play intent to first frame' : 'play was not asked for']);
    watched.update(view.startup_ms === null ? format.NONE : format.duration(view.watched_ms), [`${format.duration(view.played_ms)} playing`, view.paused_ms > 0 ? `${format.duration(view.paused_ms)} paused` : '']);
    const interruptions = view.rebuffer_count === 1 ? '1 interruption' : `${format.count(view.rebuffer_count)} interruptions`;
    rebuffer.update(view.startup_ms === null ? format.NONE : format.wait(view.rebuffer_ms), [interruptions, format.percent(view.rebuffer_ratio)], view.rebuffer_count > 0 ? 'warn' : '');
    bitrate.update(format.bitrate(view.avg_bitrate_kbps), [`${view.switches_up} switches up`, `${view.switches_down} down`]);
    frames.update(format.count(view.dropped_frames), [`of ${format.count(view.decoded_frames)} decoded`]);
    requests.update(format.count(view.requests), [`${view.requests_failed} failed`, `${view.requests_cancelled} cancelled`, format.bytes(view.bytes)]);
  }

  #fillCharts(data: Timeline): void {
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

  #fillLines(): void {
    this.#groups.value = this.#shown;
    const chosen = this.#lines.filter(({ group }) => this.#shown === 'all' || group === (this.#shown as Group));
    const visible = this.#everything ? chosen : chosen.slice(0, MAX_LINES);
    const scrolled = this.#list.scrollTop;
    this.#list.replaceChildren(...visible.map((line) => this.#line(line)));
    this.#list.scrollTop = scrolled;
    this.#list.hidden = visible.length === 0;
    this.#noLines.hidden = visible.length > 0;
    this.#allLines.hidden = visible.length === chosen.length;
    setText(this.#allLines, `Show all ${chosen.length} events`);
  }

  #line(line: Line): HTMLElement {
    const element = h(
      'li',
      { class: line.tone || undefined },
      h('span', { class: 'at' }, format.position(line.t)),
      h('span', { class: `dot ${line.group}`, 'aria-hidden': 'true' }),
      h('span', { class: 'what' }, h('b', {}, line.name), line.text ? ` ${line.text}` : ''),
    );
    element.addEventListener('mouseenter', () => this.#charts[1].point(line.t / 1000));
    return element;
  }

  #fillFacts({ view, events_truncated }: OneView): void {
    const ladder = view.ladder.map((rung) => `${rung.height ? `${rung.height}p` : rung.id} ${format.bitrate(rung.bandwidth_kbps)}`).join(', ');
    const facts: [string, string][] = [
      ['Source', view.source],
      ['Video', [view.video_id, view.duration_ms ? format.duration(view.duration_ms) : ''].filter(Boolean).join(' · ')],
      ['Ladder', ladder],
      ['Player', view.player],
      ['ABR', view.abr],
      ['Media from', view.cdn_host],
      ['Site', view.site],
      ['Viewer', view.viewer_id],
      ['View', view.view_id],
      ['Session', view.session_id],
      ['Beacons', `${view.beacons} of ${view.max_seq + 1}${events_truncated ? '; some events are left out' : ''}`],
      ['Clock', Math.abs(view.clock_skew_ms) < 1000 ? 'right' : `${format.wait(Math.abs(view.clock_skew_ms))} ${view.clock_skew_ms < 0 ? 'ahead' : 'behind'}`],
    ];
    const known = facts.filter(([, text]) => text);
    const text = JSON.stringify(known);
    if (this.#facts.dataset.text === text) return;
    this.#facts.dataset.text = text;
    this.#facts.replaceChildren(...known.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
  }

  #setZoom(part: [number, number] | undefined): void {
    this.#zoom = part;
    this.#unzoom.hidden = part === undefined;
    for (const chart of this.#charts) chart.zoom(this.#zoom);
  }

  #makeCharts(): [Chart, Chart, Chart, Chart] {
    const common = {
      sync: 'view',
      formatX: (seconds: number) => format.position(seconds * 1000),
      onZoom: (min: number, max: number) => this.#setZoom([Math.max(0, min), max]),
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

function stateLegend(): HTMLElement {
  const shown: State[] = ['starting', 'playing', 'paused', 'seeking', 'rebuffering'];
  return h('div', { class: 'legends states' }, ...shown.map((state) => h('span', { class: 'legend' }, h('i', { class: `swatch bars ${STATE_COLORS[state].slice(2)}`, 'aria-hidden': 'true' }), state)));
}
