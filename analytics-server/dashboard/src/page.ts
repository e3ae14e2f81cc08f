// What pages have in common.

import { h } from './dom';
import type { State } from './state';

/** What a page may do with the window around it. */
export interface Context {
  /** Goes to another state: a new address, to which "back" returns, unless it replaces this one. */
  go(state: State, replace?: boolean): void;
  /** Fetches anew. */
  again(): void;
}

/** A page: it fills its element and refreshes it until it is closed. */
export interface Page {
  readonly title: string;
  readonly element: HTMLElement;
  /** Whether the range of time and the filters are of use here. */
  readonly uses: { range: boolean; filters: boolean };
  /** Something else was chosen: called before the first `refresh`, too. */
  show(state: State): void;
  /** Fetches everything anew; answers after how long to do so again, ms. `undefined`: it will not change any more. */
  refresh(signal: AbortSignal): Promise<number | undefined>;
  destroy(): void;
}

/** Units are smaller than numbers. */
export function withUnits(value: string): (Node | string)[] {
  const parts = value.split(/( ?(?:%|[A-Za-z]{2,}|s\b) ?)/).filter(Boolean);
  return parts.map((part) => (/[%a-z]/.test(part) ? h('small', {}, part) : part));
}

/** A number with a label above and an explanation below. */
export class Tile {
  readonly element: HTMLElement;
  #value = h('p', { class: 'tile-value' }, '–');
  #detail = h('p', { class: 'tile-detail' });

  constructor(label: string, hint?: string, ...more: Node[]) {
    this.element = h('div', { class: 'tile', title: hint }, h('h3', {}, label), this.#value, this.#detail, ...more);
  }

  update(value: string, details: string[], tone: '' | 'bad' | 'warn' = ''): void {
    if (this.#value.textContent !== value) this.#value.replaceChildren(...withUnits(value));
    // A line breaks between details, not within.
    const parts = details.filter(Boolean).map((detail, at, all) => (at + 1 < all.length ? `${detail} · ` : detail));
    if (this.#detail.textContent !== parts.join('')) this.#detail.replaceChildren(...parts.map((part) => h('span', {}, part)));
    this.element.dataset.tone = tone;
  }
}

export function empty(title: string, ...children: (Node | string)[]): HTMLElement {
  return h('div', { class: 'card empty' }, h('h2', {}, title), ...children);
}
