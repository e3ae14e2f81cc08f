// What is around every page: where one is, the site, the range of time, filters, and how fresh the numbers are.

import type { Status } from './api';
import { h, icon, setText } from './dom';
import { FilterBar } from './filter-bar';
import { Help } from './help';
import type { Page } from './page';
import { link, PAGES, type PageName, type State } from './state';
import { isDark, onTheme, toggleTheme } from './theme';
import { TimePicker } from './time-picker';

export class Shell {
  readonly main = element('page');
  readonly help = new Help();
  readonly time: TimePicker;
  readonly filters: FilterBar;
  #state!: State;
  #firing = element('firing');
  #bar = element('bar');
  #sites = h('select', { class: 'sites', 'aria-label': 'Site', hidden: true, change: () => this.#go({ site: this.#sites.value }) });
  #known: readonly string[] = [];
  #problem = h('p', { class: 'banner bad problem', role: 'alert', hidden: true });
  #freshness = h('p', { id: 'freshness', class: 'freshness', role: 'status' });
  #bots = h('button', { type: 'button', class: 'chip bots', hidden: true, click: () => this.#go({ bots: false }) }, 'Bots included', icon('close'));
  #themes = h('button', { type: 'button', class: 'icon-button', 'aria-keyshortcuts': 'd', click: toggleTheme });
  #go: (change: Partial<State>) => void;
  #time = h('div', { class: 'bar-time' });
  #choices = h('div', { class: 'bar-filters' });

  constructor(go: (change: Partial<State>) => void, refresh: () => void) {
    this.#go = go;
    this.time = new TimePicker(go);
    this.filters = new FilterBar({ label: 'Filters', main: true, state: () => this.#state, filters: () => this.#state.filters, onChange: (filters) => go({ filters }) });
    this.#time.append(this.time.element);
    this.#choices.append(this.filters.element, this.#bots);
    const again = h('button', { type: 'button', class: 'icon-button', title: 'Refresh ( r )', 'aria-label': 'Refresh', 'aria-keyshortcuts': 'r', click: refresh }, icon('refresh'));
    const keys = h('button', { type: 'button', class: 'icon-button', title: 'Keys ( ? )', 'aria-label': 'Keys', 'aria-keyshortcuts': '?', click: () => this.help.open() }, icon('help'));
    this.#bar.append(this.#time, this.#choices);
    element('tools').append(this.#freshness, again, this.#sites, this.#themes, keys);
    this.#bar.after(this.#problem);
    document.body.append(this.help.element);
    this.#showTheme();
    onTheme(() => this.#showTheme());
  }

  show(state: State, page: Page): void {
    this.#state = state;
    for (const anchor of document.querySelectorAll<HTMLAnchorElement>('a[data-page]')) {
      const name = PAGES.find((one) => one === anchor.dataset.page) ?? 'now';
      anchor.href = link(state, name);
      const here: PageName = state.page === 'view' ? 'views' : state.page;
      if (name === here && anchor.closest('nav')) anchor.setAttribute('aria-current', 'page');
      else anchor.removeAttribute('aria-current');
    }
    this.#bar.hidden = !page.uses.range && !page.uses.filters;
    this.#time.hidden = !page.uses.range;
    this.#choices.hidden = !page.uses.filters;
    this.#bots.hidden = !state.bots;
    this.time.show(state);
    this.filters.show();
    this.#showSites();
  }

  status({ sites }: Status): void {
    this.#known = sites;
    this.#showSites();
  }

  firing(count: number): void {
    this.#firing.hidden = count === 0;
    setText(this.#firing, count === 0 ? '' : String(count));
    this.#firing.setAttribute('aria-label', `${count} firing`);
  }

  say(text: string, tone: '' | 'live' | 'bad'): void {
    setText(this.#freshness, text);
    this.#freshness.dataset.tone = tone;
    // It may be too long for a phone.
    this.#freshness.title = tone === 'bad' ? text : '';
  }

  /** What was asked cannot be answered: that is said where the answer would be. */
  problem(text: string | undefined): void {
    this.#problem.hidden = text === undefined;
    setText(this.#problem, text ?? '');
  }

  #showSites(): void {
    const { site } = this.#state;
    // A site of an old link stays to be seen.
    const names = site && !this.#known.includes(site) ? [...this.#known, site] : this.#known;
    const options = [...this.#sites.options].slice(1).map(({ value }) => value);
    if (options.join('\n') !== names.join('\n') || this.#sites.options.length === 0) {
      this.#sites.replaceChildren(h('option', { value: '' }, 'All sites'), ...names.map((name) => h('option', { value: name }, name)));
    }
    this.#sites.value = site;
    this.#sites.hidden = names.length < 2;
  }

  #showTheme(): void {
    const other = isDark() ? 'light' : 'dark';
    this.#themes.replaceChildren(icon(isDark() ? 'sun' : 'moon'));
    this.#themes.title = `${other === 'dark' ? 'Dark' : 'Light'} ( d )`;
    this.#themes.setAttribute('aria-label', `Show in ${other} colours`);
  }
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}
