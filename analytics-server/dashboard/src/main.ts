// The window: which page is shown, and when it is refreshed.

import 'uplot/dist/uPlot.min.css';
import './style.css';
import { ApiError } from './api';
import { setText } from './dom';
import { OverviewPage } from './overview-page';
import type { Page } from './page';
import { ViewPage } from './view-page';

const REFRESH_MS = 3_000;
const RETRY_MS = 5_000;
const PATIENCE_MS = 15_000;

const main = element('page');
const controls = element('controls');
const freshness = element('freshness');

let page: Page;
let timer: ReturnType<typeof setTimeout> | undefined;
let running: AbortController | undefined;

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

function open(): void {
  page?.destroy();
  const id = /^\/dashboard\/views\/([^/]+)$/.exec(location.pathname)?.[1];
  page = id ? new ViewPage(decodeURIComponent(id)) : new OverviewPage(new URLSearchParams(location.search), () => void refresh());
  main.replaceChildren(page.element);
  controls.replaceChildren(...page.controls);
  say('Loading…', '');
  void refresh();
}

/** Fetches now, and again as long as the page may change and somebody looks. */
async function refresh(): Promise<void> {
  clearTimeout(timer);
  running?.abort();
  const mine = new AbortController();
  running = mine;
  const limit = setTimeout(() => mine.abort(new Error('no answer')), PATIENCE_MS);
  const shown = page;
  let next = REFRESH_MS;
  try {
    const changes = await shown.refresh(mine.signal);
    if (mine !== running) return;
    document.title = shown.title;
    say(changes ? 'Live' : 'Complete', changes ? 'live' : '');
    // A view that is over may get late beacons, but seldom.
    if (!changes) next = 10 * REFRESH_MS;
  } catch (error) {
    if (mine !== running) return;
    next = RETRY_MS;
    const why = error instanceof ApiError ? error.message : 'the server does not answer';
    if (!(error instanceof ApiError) && !(error instanceof TypeError) && !mine.signal.aborted) console.error(error);
    say(`Not up to date: ${why}. Trying again…`, 'bad');
  } finally {
    clearTimeout(limit);
  }
  if (!document.hidden) timer = setTimeout(refresh, next);
}

function say(text: string, tone: string): void {
  setText(freshness, text);
  freshness.dataset.tone = tone;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else void refresh();
});

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[data-link]') : null;
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  open();
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
});

addEventListener('popstate', open);
open();
