// Now: how many watch, how well it goes, and where it goes worst.

import { type Alert, type Alerts, type Answer, type Cell, type Cohorts, get, getIfThere, type Live, type Overview, type Quality, type Status, type State as PlayerState, type Unit, type ViewList } from './api';
import { alertText } from './alert-text';
import { Chart } from './chart';
import { cohortName } from './cohort-name';
import { fillOnce, h, icon, setText } from './dom';
import * as format from './format';
import { parseFilters } from './filters';
import { LiveFeed } from './live-feed';
import { formatDifference, formatValue, leastMax, metricName } from './metrics';
import { empty, type Page, withUnits } from './page';
import { Sparkline } from './sparkline';
import { link, type State } from './state';
import { ViewsTable } from './views-table';

const REFRESH_MS = 10_000;
const RANGE_MS = 900_000;
const BUCKET_MS = 30_000;
/** Cohorts need more views than a few minutes have. */
const COHORTS_MS = 3_600_000;
const ROWS = 6;

interface Kind {
  metric: string;
  unit: Unit;
  hint: string;
}

const KINDS: readonly Kind[] = [
  { metric: 'attempts', unit: 'count', hint: 'Views that asked to play in the last minute' },
  { metric: 'failure_pct', unit: 'ratio', hint: 'Attempts that ended with a fatal error, before or after the first frame' },
  { metric: 'ebvs', unit: 'ratio', hint: 'Attempts that were left before the first frame, without an error, after waiting for 1 s or more' },
  { metric: 'rebuffer_ratio', unit: 'ratio', hint: 'Rebuffering ÷ (playing + rebuffering)' },
  { metric: 'startup_ms_p50', unit: 'milliseconds', hint: 'From play intent to the first frame: half of the views were quicker' },
  { metric: 'startup_ms_p95', unit: 'milliseconds', hint: 'From play intent to the first frame: 5% of the views were slower' },
  { metric: 'avg_bitrate', unit: 'kilobits_per_second', hint: 'Bitrate of what was played, weighted by media time' },
  { metric: 'live_latency', unit: 'milliseconds', hint: 'How far live viewers are behind what could be played' },
];

const SHOWN_STATES: readonly (readonly [PlayerState, string])[] = [
  ['playing', 'teal'],
  ['rebuffering', 'red'],
  ['starting', 'violet'],
  ['seeking', 'amber'],
  ['paused', 'faint'],
];

export class NowPage implements Page {
  readonly title = 'Now · Headgate analytics';
  readonly element = h('div', { class: 'now stack' });
  readonly uses = { range: false, filters: false };
  #state!: State;
  #feed: LiveFeed | undefined;
  #site: string | undefined;

  #alerts = h('section', { class: 'banners', 'aria-label': 'Firing alerts', hidden: true });
  #note = h('p', { class: 'note', hidden: true });
  #viewers = h('p', { class: 'hero-value', 'aria-live': 'off' }, '–');
  #peak = h('p', { class: 'muted' }, '\u00a0');
  #states = h('div', { class: 'state-bar', role: 'img', 'aria-label': 'What open views do' });
  #stateNames = h('div', { class: 'legends state-names' });
  #chart = new Chart({
    title: 'Concurrent viewers, last 15 minutes',
    height: 132,
    series: [
      { label: 'viewers', color: '--blue', kind: 'area' },
      { label: 'peak', color: '--sky', kind: 'line', width: 1 },
    ],
    format: format.count,
    formatX: (seconds) => format.time(seconds * 1000, Date.now()),
    sync: 'now',
    clock: true,
    minMax: 4,
    keys: true,
  });
  #tiles = KINDS.map((kind) => new NowTile(kind));
  #cohorts = h('ol', { class: 'worst' });
  #cohortsNote = h('p', { class: 'note card-note' }, 'Loading…');
  #cohortsLink = h('a', { 'data-link': true }, 'All cohorts');
  #views = new ViewsTable(true);
  #viewsNote = h('p', { class: 'note card-note' }, 'Loading…');
  #viewsLink = h('a', { 'data-link': true }, 'All views');
  #welcome = welcome();
  #content: HTMLElement;

  constructor() {
    this.#welcome.hidden = true;
    this.#content = h(
      'div',
      { class: 'stack' },
      h(
        'section',
        { class: 'now-grid', 'aria-label': 'Key numbers' },
        h(
          'div',
          { class: 'card hero' },
          h('div', { class: 'hero-head' }, h('div', {}, h('h2', { title: 'Views with a beat in the last 35 s that are not paused, over, or stalled for more than 5 min' }, 'Concurrent viewers'), this.#viewers, this.#peak), h('div', { class: 'hero-states' }, this.#states, this.#stateNames)),
          this.#chart.element,
        ),
        ...this.#tiles.map((tile) => tile.element),
      ),
      h(
        'div',
        { class: 'now-columns' },
        h('section', { class: 'stack', 'aria-labelledby': 'worst' }, h('div', { class: 'heading' }, h('h2', { id: 'worst' }, 'Rebuffering most, last hour'), this.#cohortsLink), h('div', { class: 'card' }, this.#cohorts, this.#cohortsNote)),
        h('section', { class: 'stack', 'aria-labelledby': 'trouble' }, h('div', { class: 'heading' }, h('h2', { id: 'trouble' }, 'Latest failures'), this.#viewsLink), h('div', { class: 'card table-card' }, this.#views.element, this.#viewsNote)),
      ),
    );
    this.element.append(h('h1', { class: 'hidden' }, 'Now'), this.#alerts, this.#note, this.#content, this.#welcome);
  }

  show(state: State): void {
    this.#state = state;
    if (this.#site !== state.site) {
      this.#site = state.site;
      this.#feed?.close();
      this.#feed = new LiveFeed(state.site, (live) => this.#showLive(live), (quality) => this.#showQuality(quality));
    }
    const hour = { range: { last: '1h' } } as const;
    for (const [place, tile] of this.#tiles.entries()) tile.element.href = link(state, 'trends', { metric: KINDS[place]?.metric ?? '' }, { range: { last: '1h' } });
    this.#cohortsLink.href = link(state, 'cohorts', {}, hour);
    this.#viewsLink.href = link(state, 'views', { show: 'failed' });
    this.#views.state = state;
    this.#note.hidden = state.filters.length === 0;
    setText(this.#note, 'This page shows all viewers of the site; the filters hold on the other pages.');
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    const { site } = this.#state;
    const options = { signal };
    const to = Math.ceil(Date.now() / 10_000) * 10_000;
    const from = Math.floor((to - RANGE_MS) / BUCKET_MS) * BUCKET_MS;
    const [overview, series, failed, alerts, cohorts] = await Promise.all([
      get<Overview>('/v1/overview', { site, from: to - RANGE_MS, to, bucket: '10s' }, options),
      get<Answer>('/v1/query', { site, from, to, bucket: '30s', metric: KINDS.map(({ metric }) => metric).join(',') }, options),
      get<ViewList>('/v1/views', { site, filter: 'failed', limit: ROWS }, options),
      getIfThere<Alerts>('/v1/alerts', { site }, { signal, maxAgeMs: 5_000 }),
      getIfThere<Cohorts>('/v1/cohorts', { site, metric: 'rebuffer_ratio', by: 'device,os,browser,cdn_host,country,network', from: to - COHORTS_MS, to, limit: ROWS - 1 }, { signal, maxAgeMs: 30_000 }),
    ]);
    if (failed.views.length === 0 && (await this.#isNew(signal))) return 3_000;
    this.#welcome.hidden = true;
    this.#content.hidden = false;
    this.#showSeries(overview, series, from, to);
    this.#showAlerts(alerts);
    this.#showCohorts(cohorts);
    this.#views.update(failed.views, failed.now_ms);
    this.#views.element.hidden = failed.views.length === 0;
    this.#viewsNote.hidden = failed.views.length > 0;
    setText(this.#viewsNote, 'No view has failed.');
    return REFRESH_MS;
  }

  destroy(): void {
    this.#feed?.close();
    this.#chart.destroy();
  }

  /** Whether there has not been any view yet: then it says how to get one. */
  async #isNew(signal: AbortSignal): Promise<boolean> {
    const { views } = await get<ViewList>('/v1/views', { site: this.#state.site, limit: 1 }, { signal });
    if (views.length > 0) return false;
    const { public_url } = await get<Status>('/v1/status', {}, { signal, maxAgeMs: 60_000 });
    const code = this.#welcome.querySelector('code');
    if (code) setText(code, example(public_url ?? location.origin));
    this.#welcome.hidden = false;
    this.#content.hidden = true;
    return true;
  }

  #showLive(live: Live): void {
    setText(this.#viewers, format.count(live.concurrent_viewers));
    this.#tiles[0]?.value(format.count(live.starts_last_minute));
    const all = SHOWN_STATES.reduce((sum, [state]) => sum + (live.states[state] ?? 0), 0);
    fillOnce(this.#stateNames, live.states, () =>
      SHOWN_STATES.map(([state, tone]) => h('span', { class: 'legend' }, h('i', { class: `swatch bars ${tone}`, 'aria-hidden': 'true' }), `${state} `, h('b', {}, format.count(live.states[state] ?? 0)))),
    );
    fillOnce(this.#states, [live.states, all], () =>
      SHOWN_STATES.flatMap(([state, tone]) => {
        const share = all > 0 ? (live.states[state] ?? 0) / all : 0;
        if (share === 0) return [];
        const part = h('i', { class: tone });
        part.style.flexGrow = String(share);
        return [part];
      }),
    );
  }

  #showQuality({ values, from_ms, to_ms }: Quality): void {
    const minutes = Math.round((to_ms - from_ms) / 60_000);
    for (const [place, { metric }] of KINDS.entries()) this.#tiles[place]?.quality(values[metric], `${minutes} min`, values);
  }

  #showSeries(overview: Overview, answer: Answer, from: number, to: number): void {
    const { series, totals, from_ms, to_ms } = overview;
    this.#chart.update(series.t_ms.map((ms) => ms / 1000), [series.concurrent_viewers, series.concurrent_viewers_peak], [from_ms / 1000, to_ms / 1000]);
    setText(this.#peak, `peak ${format.count(totals.concurrent_viewers_peak)} in 15 min`);
    const rows = new Map(answer.rows.map((row) => [row.t_ms, row.values]));
    const times = Array.from({ length: Math.floor((to - from) / BUCKET_MS) }, (_, at) => from + at * BUCKET_MS);
    for (const [place, { metric, unit }] of KINDS.entries()) {
      const none = unit === 'count' ? 0 : null;
      this.#tiles[place]?.series(times.map((t) => rows.get(t)?.[metric]?.value ?? none));
    }
  }

  #showAlerts(alerts: Alerts | undefined): void {
    const firing = (alerts?.alerts ?? []).filter(({ state }) => state === 'firing');
    this.#alerts.hidden = firing.length === 0;
    for (const [place, { metric }] of KINDS.entries()) this.#tiles[place]?.alarm(firing.some((alert) => alert.metric === metric));
    fillOnce(this.#alerts, firing, () => firing.slice(0, 4).map((alert) => this.#banner(alert)));
  }

  #banner(alert: Alert): HTMLElement {
    const to = link(this.#state, 'alerts');
    const { value, since } = alertText(alert);
    const where = alert.cohort ? ` · mostly ${cohortName(alert.cohort.by)}` : '';
    return h('a', { class: 'banner bad', href: to, 'data-link': true }, icon('warning'), h('b', {}, alert.rule), h('span', {}, `${metricName(alert.metric)} ${value}${where}`), h('span', { class: 'banner-end' }, since));
  }

  #showCohorts(cohorts: Cohorts | undefined): void {
    const worst = (cohorts?.cohorts ?? []).filter(({ impact }) => impact > 0).slice(0, ROWS - 1);
    this.#cohortsNote.hidden = worst.length > 0;
    setText(this.#cohortsNote, cohorts ? 'No group of viewers stands out in the last hour.' : 'This server does not rank cohorts.');
    const most = Math.max(...worst.map(({ impact }) => impact), 0);
    fillOnce(this.#cohorts, worst, () =>
      worst.map((cohort) => {
        const bar = h('i', { class: 'meter', 'aria-hidden': 'true' });
        bar.style.width = `${(cohort.impact / most) * 100}%`;
        const unit = cohorts?.metric.unit ?? 'ratio';
        const to = link(this.#state, 'trends', { metric: 'rebuffer_ratio' }, { range: { last: '1h' }, filters: [...this.#state.filters, ...parseFilters(cohort.filters)] });
        return h(
          'li',
          {},
          h('a', { href: to, 'data-link': true }, h('span', { class: 'worst-name' }, cohortName(cohort.by)), h('span', { class: 'worst-value' }, formatValue(unit, cohort.cell.value)), h('span', { class: 'worst-detail' }, `${formatDifference(unit, cohort.difference)} · ${format.views(cohort.views)}`), h('span', { class: 'meter-track' }, bar)),
        );
      }),
    );
  }
}

/** A number of the last minutes, its line, and what it is made of; leads to its trend. */
class NowTile {
  readonly element: HTMLAnchorElement;
  #kind: Kind;
  #value = h('p', { class: 'tile-value' }, '–');
  #detail = h('p', { class: 'tile-detail' }, '\u00a0');
  #spark = new Sparkline();

  constructor(kind: Kind) {
    this.#kind = kind;
    const label = kind.metric === 'attempts' ? 'Starts a minute' : metricName(kind.metric);
    this.element = h('a', { class: 'tile tile-link', 'data-link': true, title: kind.hint }, h('h3', {}, label), this.#value, this.#detail);
    this.element.append(this.#spark.element);
  }

  value(text: string): void {
    if (this.#value.textContent !== text) this.#value.replaceChildren(...withUnits(text));
  }

  quality(cell: Cell | undefined, when: string, all: Record<string, Cell>): void {
    const { metric, unit } = this.#kind;
    if (metric === 'attempts') {
      const plays = all.plays?.value;
      setText(this.#detail, `${format.count(cell?.value)} in ${when}, ${format.count(plays)} played`);
      return;
    }
    this.value(formatValue(unit, cell?.value));
    const nothing = cell?.value == null;
    const n = cell?.n == null ? `${format.count(all.plays?.n ?? all.plays?.value)} plays` : `n = ${format.count(cell.n)}`;
    setText(this.#detail, nothing ? `none in ${when}` : `${n} in ${when}`);
    this.element.classList.toggle('few', !nothing && cell.n != null && cell.n < 25);
  }

  series(values: (number | null)[]): void {
    this.#spark.update(values, leastMax(this.#kind.unit));
  }

  alarm(on: boolean): void {
    this.element.dataset.tone = on ? 'bad' : '';
  }
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
