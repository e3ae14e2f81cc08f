// The window: which page is shown, and when it is refreshed.

import 'uplot/dist/uPlot.min.css';
import './css/tokens.css';
import './css/base.css';
import './css/shell.css';
import './css/controls.css';
import './css/tiles.css';
import './css/charts.css';
import './css/tables.css';
import './css/pages.css';
import './css/view.css';
import { AlertsPage } from './alerts-page';
import { type Alerts, ApiError, get, getIfThere, type Status } from './api';
import { CohortsPage } from './cohorts-page';
import { ComparePage } from './compare-page';
import * as format from './format';
import { listen } from './keyboard';
import { NowPage } from './now-page';
import type { Context, Page } from './page';
import { Shell } from './shell';
import { href, link, type PageName, readState, type State } from './state';
import { toggleTheme } from './theme';
import { TrendsPage } from './trends-page';
import { ViewPage } from './view-page';
import { ViewsPage } from './views-page';

const LIVE_MS = 10_000;
const RETRY_MS = 5_000;
const PATIENCE_MS = 15_000;
const ALERTS_MS = 20_000;
/** A shorter wait is not worth a sign. */
const BUSY_AFTER_MS = 200;

const PAGES: Record<PageName, (context: Context) => Page> = {
  now: () => new NowPage(),
  trends: (context) => new TrendsPage(context),
  cohorts: (context) => new CohortsPage(context),
  compare: (context) => new ComparePage(context),
  views: (context) => new ViewsPage(context),
  alerts: () => new AlertsPage(),
  view: (context) => new ViewPage(context),
};

const shell = new Shell((change) => go({ ...state, ...change }), () => void refresh());
const context: Context = { go, again: () => void refresh() };

let state = readState(new URL(location.href));
let page: Page | undefined;
let key = '';
let timer: ReturnType<typeof setTimeout> | undefined;
let running: AbortController | undefined;

function go(next: State, replace = false): void {
  const address = href(next);
  if (address === location.pathname + location.search) return;
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  open();
}

function open(): void {
  state = readState(new URL(location.href));
  format.useUtc(state.utc);
  const wanted = `${state.page} ${state.id}`;
  if (!page || wanted !== key) {
    page?.destroy();
    page = PAGES[state.page](context);
    key = wanted;
    shell.main.replaceChildren(page.element);
    shell.say('Loading…', '');
    shell.problem(undefined);
  }
  page.show(state);
  shell.show(state, page);
  document.title = page.title;
  void refresh();
}

/** Fetches now, and again as long as the page may change and somebody looks. */
async function refresh(): Promise<void> {
  clearTimeout(timer);
  running?.abort();
  const mine = new AbortController();
  running = mine;
  const limit = setTimeout(() => mine.abort(new Error('no answer')), PATIENCE_MS);
  const busy = setTimeout(() => shell.main.setAttribute('aria-busy', 'true'), BUSY_AFTER_MS);
  const shown = page;
  let next: number | undefined = RETRY_MS;
  try {
    next = await shown?.refresh(mine.signal);
    if (mine !== running) return;
    document.title = shown?.title ?? '';
    shell.problem(undefined);
    const at = format.time(Date.now(), Date.now());
    shell.say(next === undefined ? 'Complete' : next <= LIVE_MS ? 'Live' : `Updated ${at}`, next !== undefined && next <= LIVE_MS ? 'live' : '');
  } catch (error) {
    if (mine !== running) return;
    const own = error instanceof ApiError;
    if (!own && !(error instanceof TypeError) && !mine.signal.aborted) console.error(error);
    // What is asked wrongly is wrong the next time, too.
    if (own && error.status >= 400 && error.status < 500 && error.status !== 429) {
      next = undefined;
      shell.say('No answer', 'bad');
      shell.problem(`The server cannot answer this: ${error.message}. Choose something else, or go back.`);
    } else shell.say(`Not up to date: ${own ? error.message : 'the server does not answer'}. Trying again…`, 'bad');
  } finally {
    clearTimeout(limit);
    clearTimeout(busy);
    if (mine === running) shell.main.removeAttribute('aria-busy');
  }
  if (next !== undefined && !document.hidden) timer = setTimeout(() => void refresh(), next);
}

/** What the window itself shows: the sites, and how many alerts are firing. */
async function watch(): Promise<void> {
  const options = { signal: AbortSignal.timeout(PATIENCE_MS) };
  try {
    const [status, alerts] = await Promise.all([get<Status>('/v1/status', {}, { ...options, maxAgeMs: 60_000 }), getIfThere<Alerts>('/v1/alerts', { site: state.site }, options)]);
    shell.status(status);
    shell.firing(alerts?.alerts.filter((alert) => alert.state === 'firing').length ?? 0);
  } catch {
    // The page says that the server does not answer.
  }
  setTimeout(() => void watch(), ALERTS_MS);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else void refresh();
});

document.addEventListener('click', (event) => {
  const anchor = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[data-link]') : null;
  if (!anchor || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (anchor.href !== location.href) history.pushState(null, '', anchor.href);
  open();
  window.scrollTo(0, 0);
  shell.main.focus({ preventScroll: true });
});

listen({
  go: (name) => go(readState(new URL(link(state, name), location.origin))),
  filter: () => !document.querySelector('.bar[hidden], .bar-filters[hidden]') && shell.filters.open(),
  time: () => !document.querySelector('.bar[hidden], .bar-time[hidden]') && shell.time.open(),
  shift: (direction) => !document.querySelector('.bar[hidden], .bar-time[hidden]') && shell.time.shift(direction),
  refresh: () => void refresh(),
  theme: toggleTheme,
  help: () => shell.help.open(),
});

addEventListener('popstate', open);
open();
void watch();
