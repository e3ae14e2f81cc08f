// A button that opens a list to choose from: searched by typing, walked by arrow keys, closed by Escape.

import { h, icon, setText } from './dom';

export interface Option {
  value: string;
  label: string;
  /** To the right, small: how often, or what it means. */
  hint?: string;
  group?: string;
}

export interface PickerOptions {
  /** Of the search box. */
  label: string;
  /** The options, each time that the list opens. */
  options: () => Promise<readonly Option[]> | readonly Option[];
  /** What is chosen now. */
  chosen: () => readonly string[];
  /** One more, one less; with `several`, the list stays open. */
  onChoose: (value: string) => void;
  several?: boolean;
  /** What was typed, as an option of its own, if it can be one. */
  typed?: (text: string) => Option | undefined;
  button?: Parameters<typeof h<'button'>>[1];
}

/** At most one list is open. */
let opened: Popover | undefined;

/** Something under a button that closes by Escape, by a click elsewhere, and when the focus goes. */
export class Popover {
  readonly element: HTMLElement;
  readonly panel: HTMLElement;
  #button: HTMLButtonElement;
  #onOpen: () => void;

  /** After it was closed; with `focus`, by a key. */
  onClose: ((focus: boolean) => void) | undefined;

  constructor(button: HTMLButtonElement, panel: HTMLElement, onOpen: () => void) {
    this.#button = button;
    this.panel = panel;
    this.#onOpen = onOpen;
    panel.classList.add('popover');
    panel.hidden = true;
    button.setAttribute('aria-expanded', 'false');
    button.setAttribute('aria-haspopup', 'dialog');
    button.addEventListener('click', () => (panel.hidden ? this.open() : this.close(true)));
    this.element = h('div', { class: 'popover-anchor' }, button, panel);
    this.element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || panel.hidden) return;
      event.stopPropagation();
      this.close(true);
    });
    this.element.addEventListener('focusout', ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !this.element.contains(relatedTarget)) this.close(false);
    });
  }

  open(): void {
    if (!this.panel.hidden) return;
    opened?.close(false);
    opened = this;
    this.panel.hidden = false;
    this.#button.setAttribute('aria-expanded', 'true');
    this.#place();
    this.#onOpen();
  }

  close(focus: boolean): void {
    if (this.panel.hidden) return;
    this.panel.hidden = true;
    this.#button.setAttribute('aria-expanded', 'false');
    if (opened === this) opened = undefined;
    if (focus) this.#button.focus();
    this.onClose?.(focus);
  }

  /** Within the window, whichever side there is room at. */
  #place(): void {
    this.panel.style.left = '0';
    const { left, right } = this.panel.getBoundingClientRect();
    const over = right - (document.documentElement.clientWidth - 8);
    if (over > 0) this.panel.style.left = `${-Math.min(over, left - 8)}px`;
  }
}

document.addEventListener('pointerdown', ({ target }) => {
  if (opened && target instanceof Node && !opened.element.contains(target)) opened.close(false);
});

let ids = 0;

export class Picker {
  readonly element: HTMLElement;
  readonly button: HTMLButtonElement;
  #options: PickerOptions;
  #popover: Popover;
  #known: readonly Option[] = [];
  #shown: Option[] = [];
  #active = 0;
  #asked = 0;
  #text = h('span', { class: 'picker-text' });
  #id = `list-${(ids += 1)}`;
  #search: HTMLInputElement;
  #list: HTMLElement;
  #note = h('p', { class: 'note popover-note', role: 'status' });

  constructor(options: PickerOptions) {
    this.#options = options;
    this.button = h('button', { type: 'button', class: 'quiet picker', ...options.button }, this.#text, icon('down'));
    this.#search = h('input', {
      type: 'search',
      class: 'popover-search',
      placeholder: options.label,
      'aria-label': options.label,
      role: 'combobox',
      'aria-expanded': 'true',
      'aria-controls': this.#id,
      'aria-autocomplete': 'list',
      autocomplete: 'off',
      spellcheck: 'false',
      maxlength: 256,
      input: () => this.#fill(0),
      keydown: (event) => this.#onKey(event as KeyboardEvent),
    });
    this.#list = h('ul', { id: this.#id, class: 'options', role: 'listbox', 'aria-label': options.label, 'aria-multiselectable': options.several ? 'true' : undefined });
    this.#popover = new Popover(this.button, h('div', { class: 'picker-panel' }, this.#search, this.#note, this.#list), () => void this.#load());
    this.element = this.#popover.element;
  }

  get panel(): HTMLElement {
    return this.#popover.panel;
  }

  set onClose(listener: (focus: boolean) => void) {
    this.#popover.onClose = listener;
  }

  set text(text: string) {
    setText(this.#text, text);
  }

  open(): void {
    this.#popover.open();
  }

  async #load(): Promise<void> {
    const mine = (this.#asked += 1);
    this.#search.value = '';
    this.#known = [];
    this.#fill(0);
    setText(this.#note, 'Loading…');
    this.#note.hidden = false;
    this.#search.focus();
    try {
      const known = await this.#options.options();
      if (mine !== this.#asked) return;
      this.#known = known;
      this.#fill(Math.max(0, known.findIndex(({ value }) => this.#options.chosen().includes(value))));
    } catch {
      if (mine === this.#asked) setText(this.#note, 'The server did not answer. Close this list and open it again.');
    }
  }

  #fill(active: number): void {
    const text = this.#search.value.trim();
    const wanted = text.toLowerCase();
    const found = this.#known.filter(({ label, value, group }) => `${label} ${value} ${group ?? ''}`.toLowerCase().includes(wanted));
    const own = text ? this.#options.typed?.(text) : undefined;
    this.#shown = own && !found.some(({ value }) => value === own.value) ? [...found, own] : found;
    this.#active = Math.min(active, Math.max(this.#shown.length - 1, 0));
    let group: string | undefined;
    const items: HTMLElement[] = [];
    const chosen = this.#options.chosen();
    for (const [place, option] of this.#shown.entries()) {
      if (option.group !== group) {
        group = option.group;
        if (group) items.push(h('li', { class: 'option-group', role: 'presentation' }, group));
      }
      items.push(
        h(
          'li',
          {
            id: `${this.#id}-${place}`,
            role: 'option',
            'aria-selected': String(chosen.includes(option.value)),
            class: 'option',
            // The search box keeps the focus.
            mousedown: (event) => event.preventDefault(),
            click: () => this.#choose(place),
          },
          h('span', { class: 'option-label' }, option.label),
          option.hint && h('span', { class: 'option-hint' }, option.hint),
        ),
      );
    }
    this.#list.replaceChildren(...items);
    this.#note.hidden = this.#shown.length > 0;
    setText(this.#note, 'Nothing like that.');
    this.#mark();
  }

  #mark(): void {
    for (const item of this.#list.querySelectorAll('.option')) item.classList.toggle('active', item.id === `${this.#id}-${this.#active}`);
    this.#search.setAttribute('aria-activedescendant', `${this.#id}-${this.#active}`);
    document.getElementById(`${this.#id}-${this.#active}`)?.scrollIntoView({ block: 'nearest' });
  }

  #choose(place: number): void {
    const option = this.#shown[place];
    if (!option) return;
    if (!this.#options.several) this.#popover.close(true);
    this.#options.onChoose(option.value);
    if (this.#options.several) this.#fill(place);
  }

  #onKey(event: KeyboardEvent): void {
    const last = this.#shown.length - 1;
    const next = { ArrowDown: this.#active + 1, ArrowUp: this.#active - 1, PageDown: this.#active + 8, PageUp: this.#active - 8 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      this.#active = Math.min(Math.max(next, 0), Math.max(last, 0));
      this.#mark();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      this.#choose(this.#active);
    }
  }
}
