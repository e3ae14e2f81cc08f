// The list of views. Rows are kept over refreshes, so that focus and selection stay where they are.

import type { View } from './api';
import { h, setClass, setText } from './dom';
import * as format from './format';
import { href, type State } from './state';

const COLUMNS = ['Time', 'Video', 'State', 'Startup', 'Rebuffering', 'Avg bitrate', 'Watched', 'Error'] as const;

interface Row {
  element: HTMLTableRowElement;
  link: HTMLAnchorElement;
  detail: HTMLElement;
  cells: HTMLElement[];
}

export class ViewsTable {
  readonly element: HTMLTableElement;
  /** Links carry what is chosen, so that the way back does, too. */
  state: State | undefined;
  #body = h('tbody');
  #rows = new Map<string, Row>();

  /** With `isShort`, only what there is room for beside something else. */
  constructor(isShort = false) {
    const head = COLUMNS.map((name) => h('th', { scope: 'col', class: NUMERIC.has(name) ? 'number' : undefined }, name));
    this.element = h(
      'table',
      { class: isShort ? 'views short' : 'views' },
      h('caption', { class: 'hidden' }, 'Views, newest first'),
      h('thead', {}, h('tr', {}, ...head)),
      this.#body,
    );
  }

  update(views: readonly View[], nowMs: number): void {
    const rows = new Map<string, Row>();
    let place = this.#body.firstElementChild;
    for (const view of views) {
      const key = `${view.site} ${view.view_id}`;
      const row = this.#rows.get(key) ?? create();
      rows.set(key, row);
      fill(row, view, nowMs);
      const address = viewPath(view, this.state);
      if (row.link.getAttribute('href') !== address) row.link.href = address;
      if (place === row.element) place = place.nextElementSibling;
      else this.#body.insertBefore(row.element, place);
    }
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    this.#rows = rows;
  }
}

const NUMERIC = new Set<string>(['Startup', 'Rebuffering', 'Avg bitrate', 'Watched']);

function create(): Row {
  const link = h('a', { 'data-link': true });
  const detail = h('span', { class: 'detail' });
  const cells = COLUMNS.map((name) => h('td', { 'data-label': name, class: NUMERIC.has(name) ? 'number' : undefined }));
  cells[1]?.append(link, detail);
  cells[2]?.append(h('span'));
  const element = h('tr', {}, ...cells);
  // The whole row is a target for the mouse; the keyboard and readers have the link.
  element.addEventListener('click', (event) => {
    if (event.target instanceof Element && !event.target.closest('a') && !getSelection()?.toString()) link.click();
  });
  return { element, link, detail, cells };
}

function fill({ link, detail, cells }: Row, view: View, nowMs: number): void {
  const state = stateOf(view);
  const rebuffered = view.rebuffer_count > 0;
  const texts = [
    format.time(view.start_ms, nowMs),
    undefined,
    undefined,
    view.startup_ms === null && view.play_intent && state.tone === 'bad' ? 'never' : format.wait(view.startup_ms),
    view.startup_ms === null ? format.NONE : rebuffered ? `${format.wait(view.rebuffer_ms)} · ${view.rebuffer_count}×` : '0',
    format.bitrate(view.avg_bitrate_kbps),
    view.startup_ms === null ? format.NONE : format.duration(view.watched_ms),
    view.fatal === null ? '' : view.fatal_message ? `${view.fatal}: ${view.fatal_message}` : view.fatal,
  ];
  texts.forEach((text, at) => {
    const cell = cells[at];
    if (cell && text !== undefined) setText(cell, text);
  });
  cells[4]?.classList.toggle('warn', rebuffered);
  cells[7]?.setAttribute('title', texts[7] ?? '');
  setText(link, titleOf(view));
  setText(detail, [view.protocol.toUpperCase(), view.browser, view.os].filter(Boolean).join(' · '));
  const badge = cells[2]?.firstElementChild;
  if (badge) {
    setText(badge, state.text);
    setClass(badge, `badge ${state.tone}`);
  }
}

/** What a view is called: its title, its id, or where it comes from. */
export function titleOf(view: View): string {
  const path = view.source.split('/').filter(Boolean).slice(-3).join('/');
  return view.video_title || view.video_id || path || 'Untitled video';
}

function viewPath({ view_id }: View, state: State | undefined): string {
  return state ? href({ ...state, page: 'view', id: view_id, own: new URLSearchParams() }) : `/dashboard/views/${encodeURIComponent(view_id)}`;
}

/** How a view goes on or how it ended, in a word. */
export function stateOf(view: View): { text: string; tone: 'live' | 'bad' | 'warn' | 'done' } {
  if (view.fatal !== null) return { text: 'Failed', tone: 'bad' };
  const over = view.phase === 'closed' || view.phase === 'final';
  if (view.ended && (over || view.state === 'ended')) return { text: 'Ended', tone: 'done' };
  if (over && view.play_intent && view.startup_ms === null) return { text: 'Left before start', tone: 'warn' };
  if (over) return { text: view.play_intent ? 'Left' : 'Not played', tone: 'done' };
  if (view.phase === 'silent') return { text: 'Silent', tone: 'warn' };
  const waiting = view.state === 'rebuffering';
  const active = waiting || view.state === 'playing' || view.state === 'seeking' || view.state === 'starting';
  const text = view.state.charAt(0).toUpperCase() + view.state.slice(1);
  return { text, tone: waiting ? 'warn' : active ? 'live' : 'done' };
}
