// What the two pages have in common.

import { h } from './dom';

/** A page: it fills its element and refreshes it until it is closed. */
export interface Page {
  readonly title: string;
  readonly element: HTMLElement;
  /** What belongs into the head of the window. */
  readonly controls: readonly HTMLElement[];
  /** Fetches everything anew. `false`: it will not change any more. */
  refresh(signal: AbortSignal): Promise<boolean>;
  destroy(): void;
}

/** A number with a label above and an explanation below. */
export class Tile {
  readonly element: HTMLElement;
  #value = h('p', { class: 'tile-value' }, '–');
  #detail = h('p', { class: 'tile-detail' });

  constructor(label: string, hint?: string) {
    this.element = h('div', { class: 'tile', title: hint }, h('h3', {}, label), this.#value, this.#detail);
  }

  update(value: string, details: string[], tone: '' | 'bad' | 'warn' = ''): void {
    if (this.#value.textContent !== value) {
      // Units are smaller than numbers.
      const parts = value.split(/( ?(?:%|[A-Za-z]{2,}|s\b) ?)/).filter(Boolean);
      this.#value.replaceChildren(...parts.map((part) => (/[%a-z]/.test(part) ? h('small', {}, part) : part)));
    }
    // A line breaks between details, not within.
    const parts = details.filter(Boolean).map((detail, at, all) => (at + 1 < all.length ? `${detail} · ` : detail));
    if (this.#detail.textContent !== parts.join('')) this.#detail.replaceChildren(...parts.map((part) => h('span', {}, part)));
    this.element.dataset.tone = tone;
  }
}

export function empty(title: string, ...children: (Node | string)[]): HTMLElement {
  return h('div', { class: 'card empty' }, h('h2', {}, title), ...children);
}
