// The first page: now, trends, and the list of views.

import { get, type Live, type Overview, type Status, type View, type ViewList } from './api';
import { Chart, type ChartOptions } from './chart';
import { Choice, h, setText } from './dom';
import * as format from './format';
import { empty, type Page, Tile } from './page';
import { ViewsTable } from './views-table';

const RANGES = { '15m': [15 * 60_000, '15 min'], '1h': [3_600_000, 'Hour'], '1d': [86_400_000, 'Day'] } as const;
const RANGE_NAMES = { '15m': '15 minutes', '1h': 'hour', '1d': '24 hours' } as const;
type Range = keyof typeof RANGES;

const FILTERS = [
  ['all', 'All'],
  ['live', 'Live'],
  ['failed', 'Failed'],
  ['rebuffered', 'Rebuffered'],
] as const;
type Filter = (typeof FILTERS)[number][0];

const PAGE_ROWS = 50;
const MAX_ROWS = 500;

export class OverviewPage implements Page {
  readonly title = 'Headgate analytics';
  readonly element = h('div', { class: 'overview' });
  readonly controls: HTMLElement[] = [];
  #range: Range = '15m';
  #filter: Filter = 'all';
  #site = '';
  #rows = PAGE_ROWS;
  #again: () => void;

  #ranges = new Choice<Range>('Time range', Object.entries(RANGES).map(([value, [, text]]) => [value as Range, text] as const), (value) =>
    this.#choose(() => (this.#range = value)),
  );
  #filters = new Choice<Filter>('Which views', FILTERS, (value) =>
    this.#choose(() => {
      this.#filter = value;
      this.#rows = PAGE_ROWS;
    }),
  );
  #sites = h('select', { 'aria-label': 'Site', hidden: true, change: () => this.#choose(() => (this.#site = this.#sites.value)) });

  #tiles = {
    viewers: new Tile('Concurrent viewers', 'Views with a beat in the last 35 s that are not paused, over, or stalled for more than 5 min'),
    starts: new Tile('Starts per minute', 'Views that asked to play in the last 60 s'),
    startup: new Tile('Startup time, median', 'From play intent to the first frame'),
    rebuffer: new Tile('Rebuffer ratio', 'Rebuffering ÷ (playing + rebuffering)'),
    bitrate: new Tile('Average bitrate', 'Bitrate of what was played, weighted by media time'),
    failures: new Tile('Failures', 'Attempts that ended with a fatal error. Exits before start are no failures: nobody knows why the viewer left'),
  };
  #trends = h('h2', { id: 'trends' });
  #charts = charts();
  #nothingHere = h('p', { class: 'note', hidden: true });
  #table = new ViewsTable();
  #noRows = h('p', { class: 'note', hidden: true });
  #more = h('button', { type: 'button', class: 'more', hidden: true, click: () => this.#choose(() => (this.#rows += PAGE_ROWS)) }, 'Show more views');
  #content = h(
    'div',
    { class: 'stack', hidden: true },
    h('section', { class: 'tiles', 'aria-label': 'Key numbers' }, ...Object.values(this.#tiles).map((tile) => tile.element)),
    h('section', { class: 'stack', 'aria-labelledby': 'trends' }, h('div', { class: 'heading' }, this.#trends, this.#nothingHere), h('div', { class: 'charts' }, ...Object.values(this.#charts).map((chart) => chart.element))),
    h(
      'section',
      { class: 'stack', 'aria-labelledby': 'views' },
      h('div', { class: 'heading' }, h('h2', { id: 'views' }, 'Views'), this.#filters.element),
      h('div', { class: 'card table-card' }, this.#table.element, this.#noRows),
      this.#more,
    ),
  );
  #welcome = welcome();

  /** `again` is called when something else is to be fetched. */
  constructor(query: URLSearchParams, again: () => void) {
    this.#again = again;
    const range = query.get('range');
    if (range && range in RANGES) this.#range = range as Range;
    const filter = FILTERS.find(([value]) => value === query.get('filter'));
    if (filter) this.#filter = filter[0];
    this.#site = query.get('site') ?? '';
    this.controls.push(this.#sites, this.#ranges.element);
    this.element.append(this.#content, this.#welcome);
    this.#welcome.hidden = true;
    this.#show();
  }

  async refresh(signal: AbortSignal): Promise<boolean> {
    const site = this.#site || undefined;
    const [lengthMs] = RANGES[this.#range];
    const live = await get<Live>('/v1/live', { site }, signal);
    const to = live.now_ms;
    const [overview, list, status] = await Promise.all([
      get<Overview>('/v1/overview', { site, from: to - lengthMs, to }, signal),
      get<ViewList>('/v1/views', { site, limit: this.#rows, filter: this.#filter }, signal),
      get<Status>('/v1/status', {}, signal).catch(() => undefined),
    ]);
    if (status) {
      this.#fillSites(status.sites);
      const code = this.#welcome.querySelector('code');
      if (code) code.textContent = example(status.public_url ?? location.origin);
    }
    const any = list.views.length > 0 || overview.totals.views > 0 || this.#filter !== 'all';
    this.#welcome.hidden = any;
    this.#content.hidden = !any;
    this.#fillTiles(live, overview);
    this.#fillCharts(overview);
    this.#fillTable(list.views, list);
    return true;
  }

  destroy(): void {
    for (const chart of Object.values(this.#charts)) chart.destroy();
  }

  #choose(change: () => void): void {
    change();
    this.#show();
    this.#again();
  }

  /** What was chosen, on the page and in its address. */
  #show(): void {
    this.#ranges.value = this.#range;
    this.#filters.value = this.#filter;
    setText(this.#trends, `Last ${RANGE_NAMES[this.#range]}`);
    const query = new URLSearchParams();
    if (this.#range !== '15m') query.set('range', this.#range);
    if (this.#filter !== 'all') query.set('filter', this.#filter);
    if (this.#site) query.set('site', this.#site);
    const text = query.toString();
    history.replaceState(null, '', location.pathname + (text ? `?${text}` : ''));
  }

  #fillSites(sites: string[]): void {
    if (this.#sites.options.length !== sites.length + 1) {
      this.#sites.replaceChildren(h('option', { value: '' }, 'All sites'), ...sites.map((site) => h('option', { value: site }, site)));
      this.#sites.value = this.#site;
    }
    this.#sites.hidden = sites.length < 2;
  }

  #fillTiles(live: Live, { totals }: Overview): void {
    const { viewers, starts, startup, rebuffer, bitrate, failures } = this.#tiles;
    const peak = totals.concurrent_viewers_peak;
    viewers.update(format.count(live.concurrent_viewers), [`peak ${format.count(peak)} in this range`]);
    starts.update(format.count(live.starts_last_minute), [`${format.count(totals.attempts)} ${totals.attempts === 1 ? 'attempt' : 'attempts'}`, `${format.count(totals.plays)} ${totals.plays === 1 ? 'play' : 'plays'}`]);
    const { p50, p95, n } = totals.startup_ms;
    startup.update(format.wait(p50), n > 0 ? [`p95 ${format.wait(p95)}`, `n = ${format.count(n)}`] : ['no view has started']);
    const times = totals.rebuffer_count === 1 ? 'once' : `${format.count(totals.rebuffer_count)} times`;
    const stalled = totals.rebuffer_count > 0 ? [times, `${format.wait(totals.rebuffer_ms)} in all`] : ['no interruptions'];
    rebuffer.update(format.percent(totals.rebuffer_ratio), totals.rebuffer_ratio === null ? ['nothing was played'] : stalled);
    const dropped = totals.dropped_frames_ratio;
    bitrate.update(format.bitrate(totals.avg_bitrate_kbps), dropped === null ? [] : [`${format.percent(dropped)} of frames dropped`]);
    const exits = `${format.count(totals.exits_before_start)} ${totals.exits_before_start === 1 ? 'exit' : 'exits'} before start`;
    const parts = [`${format.count(totals.startup_failures)} startup`, `${format.count(totals.playback_failures)} playback`, exits];
    failures.update(totals.attempts > 0 ? format.percent(totals.failure_ratio) : format.NONE, parts, totals.failures > 0 ? 'bad' : '');
  }

  #fillCharts(overview: Overview): void {
    const { series, totals, from_ms, to_ms } = overview;
    const x = series.t_ms.map((ms) => ms / 1000);
    const range: [number, number] = [from_ms / 1000, to_ms / 1000];
    const { viewers, attempts, startup, rebuffer, bitrate, failures } = this.#charts;
    viewers.update(x, [series.concurrent_viewers, series.concurrent_viewers_peak], range);
    attempts.update(x, [series.plays, series.attempts.map((all, at) => Math.max(0, all - (series.plays[at] ?? 0)))], range);
    startup.update(x, [series.startup_p50_ms, series.startup_p95_ms], range);
    rebuffer.update(x, [series.rebuffer_ratio], range);
    bitrate.update(x, [series.avg_bitrate_kbps], range);
    failures.update(x, [series.startup_failures, series.playback_failures, series.exits_before_start], range);
    this.#nothingHere.hidden = totals.views > 0;
    setText(this.#nothingHere, 'No view began in this time. Choose a longer range, or look at older views below.');
  }

  #fillTable(views: View[], { now_ms, more }: ViewList): void {
    this.#table.update(views, now_ms);
    this.#table.element.hidden = views.length === 0;
    this.#noRows.hidden = views.length > 0;
    setText(this.#noRows, NO_ROWS[this.#filter]);
    this.#more.hidden = !more || this.#rows >= MAX_ROWS;
  }
}

const NO_ROWS: Record<Filter, string> = {
  all: 'No views yet.',
  live: 'Nobody is watching at the moment.',
  failed: 'No view has failed.',
  rebuffered: 'No view has rebuffered.',
};

function charts() {
  const common = { height: 168, sync: 'overview', clock: true, formatX: (seconds: number) => format.time(seconds * 1000, Date.now()) };
  const chart = (options: Omit<ChartOptions, keyof typeof common>) => new Chart({ ...common, ...options });
  return {
    viewers: chart({
      title: 'Concurrent viewers',
      format: format.count,
      minMax: 4,
      series: [
        { label: 'mean', color: '--blue', kind: 'area' },
        { label: 'peak', color: '--violet', kind: 'line', width: 1 },
      ],
    }),
    attempts: chart({
      title: 'Play attempts',
      format: format.count,
      stacked: true,
      minMax: 4,
      series: [
        { label: 'played', color: '--blue', kind: 'bars' },
        { label: 'not started', color: '--faint', kind: 'bars' },
      ],
    }),
    startup: chart({
      title: 'Startup time',
      hint: 'From play intent to the first frame, by the time at which the view began',
      format: format.wait,
      minMax: 500,
      series: [
        { label: 'p50', color: '--blue', kind: 'line', spanGaps: true },
        { label: 'p95', color: '--violet', kind: 'line', spanGaps: true },
      ],
    }),
    rebuffer: chart({
      title: 'Rebuffer ratio',
      hint: 'Rebuffering ÷ (playing + rebuffering), by the time at which it was reported',
      format: format.percent,
      minMax: 0.01,
      series: [{ label: 'ratio', color: '--red', kind: 'area', spanGaps: true }],
    }),
    bitrate: chart({
      title: 'Average bitrate',
      hint: 'Bitrate of what was played, weighted by media time',
      format: format.bitrate,
      minMax: 1000,
      series: [{ label: 'played', color: '--teal', kind: 'area', spanGaps: true }],
    }),
    failures: chart({
      title: 'Failures and exits',
      hint: 'Fatal errors before and after the first frame; views that were left after waiting for 1 s or more, before the first frame',
      format: format.count,
      stacked: true,
      minMax: 4,
      series: [
        { label: 'startup', color: '--red', kind: 'bars' },
        { label: 'playback', color: '--amber', kind: 'bars' },
        { label: 'exits', color: '--faint', kind: 'bars' },
      ],
    }),
  };
}

function example(collector: string): string {
  return `<headgate-video src="video/master.m3u8"\n  beacon-url="${collector}/v1/beacons"\n  site-key="YOUR-SITE-KEY"></headgate-video>`;
}

function welcome(): HTMLElement {
  return empty(
    'No views yet',
    h('p', {}, 'A view appears here a few seconds after a player has begun to report to this server:'),
    h('pre', {}, h('code', {}, example(location.origin))),
    h('p', { class: 'muted' }, 'The site key is the one the server was started with. Play a video, and leave this page open: it refreshes by itself.'),
  );
}
