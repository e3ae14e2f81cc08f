// What the keys do.

import { h } from './dom';

const KEYS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['Go to', [['g n', 'Now'], ['g t', 'Trends'], ['g c', 'Cohorts'], ['g o', 'Compare'], ['g v', 'Views'], ['g a', 'Alerts']]],
  ['Everywhere', [['/', 'Add a filter'], ['t', 'Choose the time'], ['[  ]', 'Earlier, later'], ['r', 'Refresh'], ['d', 'Dark or light'], ['?', 'This help'], ['Esc', 'Close, or show the whole view']]],
  ['In a chart that has the focus', [['← →', 'Read the values'], ['Home End', 'First, last']]],
  ['One view', [['+  −', 'Zoom in, out'], ['← →', 'Move'], ['0', 'The whole view'], ['j k', 'Next, previous event'], ['n', 'Next stall or error']]],
];

export class Help {
  readonly element = h('dialog', { class: 'help', 'aria-labelledby': 'help-title' });

  constructor() {
    const lists = KEYS.map(([title, keys]) =>
      h('section', {}, h('h3', {}, title), h('dl', {}, ...keys.flatMap(([key, what]) => [h('dt', {}, ...key.split(' ').filter(Boolean).map((one) => h('kbd', {}, one))), h('dd', {}, what)]))),
    );
    this.element.append(
      h('header', {}, h('h2', { id: 'help-title' }, 'Keys'), h('button', { type: 'button', class: 'quiet', click: () => this.element.close() }, 'Close')),
      h('div', { class: 'help-lists' }, ...lists),
    );
    this.element.addEventListener('click', ({ target }) => {
      if (target === this.element) this.element.close();
    });
  }

  open(): void {
    if (!this.element.open) this.element.showModal();
  }
}
