// Chips of the filters that hold, and a button for one more.

import { definitions } from './api';
import { Choice, fillOnce, h, icon } from './dom';
import { dimensionName, describe, type Filter, filterText, valueName, withFilter } from './filters';
import { Picker } from './picker';
import type { State } from './state';
import { valuesOf } from './values';

export interface FilterBarOptions {
  /** Of all filters together, for readers. */
  label: string;
  /** What "/" opens. */
  main?: boolean;
  state: () => State;
  filters: () => readonly Filter[];
  onChange: (filters: Filter[]) => void;
}

export class FilterBar {
  readonly element: HTMLElement;
  #options: FilterBarOptions;
  #chips = h('ul', { class: 'chips' });
  #add: Picker;
  #editor = h('div', { class: 'filter-editor' });

  constructor(options: FilterBarOptions) {
    this.#options = options;
    this.#add = new Picker({
      label: 'Filter by…',
      options: dimensions,
      chosen: () => options.filters().map(({ dimension }) => dimension),
      onChoose: (dimension) => this.#edit(dimension),
      typed: own,
      button: { class: 'quiet picker add-filter', 'aria-keyshortcuts': options.main ? '/' : undefined },
    });
    this.#add.text = 'Filter';
    this.#add.button.prepend(icon('plus'));
    this.element = h('div', { class: 'filter-bar', role: 'group', 'aria-label': options.label }, this.#chips, this.#editor, this.#add.element);
  }

  open(): void {
    this.#add.open();
  }

  show(): void {
    const filters = this.#options.filters();
    this.#chips.hidden = filters.length === 0;
    fillOnce(this.#chips, filters, () => filters.map((filter) => this.#chip(filter)));
  }

  #chip(filter: Filter): HTMLElement {
    const text = describe(filter);
    return h(
      'li',
      { class: `chip ${filter.test}` },
      h('button', { type: 'button', class: 'chip-text', title: `${text}: change it`, click: () => this.#edit(filter.dimension, filter) }, text),
      h('button', { type: 'button', class: 'chip-close', 'aria-label': `Remove the filter ${text}`, click: () => this.#remove(filter) }, icon('close')),
    );
  }

  #remove(filter: Filter): void {
    this.#options.onChange(this.#without(filter));
    this.#add.button.focus();
  }

  /** Addresses are read anew each time: filters are the same by what they say. */
  #without(filter: Filter): Filter[] {
    return this.#options.filters().filter((one) => filterText(one) !== filterText(filter));
  }

  /** A list of values opens, of which each that is chosen goes into the filter at once. */
  #edit(dimension: string, old?: Filter): void {
    let filter: Filter = old ?? { dimension, test: 'in', values: [] };
    const change = (next: Filter) => {
      const others = this.#without(filter);
      filter = next;
      const empty = next.test !== 'exists' && next.values.length === 0;
      this.#options.onChange(empty ? others : withFilter(others, next));
      tests.value = next.test;
    };
    const tests = new Choice<Filter['test']>('How', [['in', 'is'], ['nin', 'is not'], ['exists', 'is known']], (test) => change({ ...filter, test, values: test === 'exists' ? [] : filter.values }));
    const values = new Picker({
      label: `${dimensionName(dimension)}…`,
      options: () => valuesOf(this.#options.state(), dimension),
      chosen: () => filter.values,
      several: true,
      onChoose: (value) => {
        const without = filter.values.filter((one) => one !== value);
        change({ ...filter, test: filter.test === 'exists' ? 'in' : filter.test, values: without.length < filter.values.length ? without : [...without, value] });
      },
      typed: (text) => ({ value: text, label: valueName(text), hint: 'as typed' }),
      button: { class: 'editor-anchor', tabindex: '-1', 'aria-label': `Values of ${dimensionName(dimension)}` },
    });
    tests.value = filter.test;
    values.panel.prepend(h('div', { class: 'filter-head' }, h('b', {}, dimensionName(dimension)), tests.element));
    // It goes when it is closed; the focus goes back to where the next filter comes from.
    values.onClose = (focus) => {
      this.#editor.replaceChildren();
      if (focus) this.#add.button.focus();
    };
    this.#editor.replaceChildren(values.element);
    values.open();
  }
}

/** The application's own dimensions are known by name only. */
function own(text: string): { value: string; label: string; hint: string } | undefined {
  return /^dim\.[A-Za-z0-9_.-]{1,64}$/.test(text) ? { value: text, label: text, hint: 'own dimension' } : undefined;
}

export async function dimensions(): Promise<{ value: string; label: string }[]> {
  const { dimensions: names } = await definitions();
  return names.filter((name) => name !== 'site').map((value) => ({ value, label: dimensionName(value) }));
}

export { own as ownDimension };
