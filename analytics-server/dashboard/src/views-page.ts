// Views: those that pass the filters, newest first; or the one whose id is known.

import { get, type View, type ViewList } from './api';
import { filterText } from './filters';
import { Choice, h, icon, setText } from './dom';
import type { Context, Page } from './page';
import { link, type State, timesOf } from './state';
import { ViewsTable } from './views-table';

const SHOWN = [
  ['all', 'All'],
  ['live', 'Live'],
  ['failed', 'Failed'],
  ['rebuffered', 'Rebuffered'],
] as const;
type Show = (typeof SHOWN)[number][0];

const PAGE_ROWS = 50;
const MAX_ROWS = 500;
const REFRESH_MS = 10_000;

export class ViewsPage implements Page {
  readonly title = 'Views · Headgate analytics';
  readonly element = h('div', { class: 'views-page stack' });
  readonly uses = { range: true, filters: true };
  #context: Context;
  #state!: State;
  #rows = PAGE_ROWS;
  #choice = new Choice<Show>('Which views', SHOWN, (show) => {
    const own = new URLSearchParams(this.#state.own);
    if (show === 'all') own.delete('show');
    else own.set('show', show);
    this.#context.go({ ...this.#state, own });
  });
  #id = h('input', { type: 'search', name: 'id', placeholder: 'View id', 'aria-label': 'View id', autocomplete: 'off', spellcheck: 'false', maxlength: '128', required: true });
  #table = new ViewsTable();
  #none = h('p', { class: 'note card-note' }, 'Loading…');
  #more = h('button', { type: 'button', class: 'more', hidden: true, click: () => {
    this.#rows += PAGE_ROWS;
    this.#context.again();
  } }, 'Show more views');
  #end = h('p', { class: 'note centered', hidden: true }, `These are the ${MAX_ROWS} newest. Older ones: choose an earlier time.`);

  constructor(context: Context) {
    this.#context = context;
    const search = h('form', { class: 'search', role: 'search', submit: (event) => this.#open(event) }, icon('search'), this.#id, h('button', { type: 'submit', class: 'quiet' }, 'Open'));
    this.element.append(h('h1', { class: 'hidden' }, 'Views'), h('div', { class: 'toolbar' }, this.#choice.element, search), h('div', { class: 'card table-card' }, this.#table.element, this.#none), this.#more, this.#end);
    this.#table.element.hidden = true;
  }

  show(state: State): void {
    if (this.#state && link(this.#state, 'views', { show: this.#show() }) !== link(state, 'views', { show: showOf(state) })) this.#rows = PAGE_ROWS;
    this.#state = state;
    this.#choice.value = this.#show();
    this.#table.state = state;
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    const state = this.#state;
    const { from, to } = timesOf(state.range, Date.now());
    const params = { limit: this.#rows, filter: [this.#show(), ...state.filters.map(filterText)], site: state.site, bots: state.bots ? 'true' : '', from, to };
    const list = await get<ViewList>('/v1/views', params, { signal, maxAgeMs: 2_000 });
    this.#fill(list.views, list);
    return 'last' in state.range ? REFRESH_MS : undefined;
  }

  destroy(): void {}

  #show(): Show {
    return showOf(this.#state);
  }

  #open(event: Event): void {
    event.preventDefault();
    const id = this.#id.value.trim();
    if (id) this.#context.go({ ...this.#state, page: 'view', id, own: new URLSearchParams() });
  }

  #fill(views: View[], { now_ms, more }: ViewList): void {
    this.#table.update(views, now_ms);
    this.#table.element.hidden = views.length === 0;
    this.#none.hidden = views.length > 0;
    const narrowed = this.#state.filters.length > 0 ? ' that passes the filters' : '';
    setText(this.#none, { all: `No view${narrowed} began in this time. Choose a longer one, or remove a filter.`, live: `Nobody is watching${narrowed ? ' of those that pass the filters' : ''} at the moment.`, failed: `No view${narrowed} failed in this time.`, rebuffered: `No view${narrowed} rebuffered in this time.` }[this.#show()]);
    this.#more.hidden = !more || this.#rows >= MAX_ROWS;
    this.#end.hidden = !more || this.#rows < MAX_ROWS;
  }
}

function showOf({ own }: State): Show {
  return SHOWN.find(([name]) => name === own.get('show'))?.[0] ?? 'all';
}
