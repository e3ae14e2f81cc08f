// The range of time: up to now or between two times, a step earlier or later, in local time or UTC.

import { Choice, h, icon, setText } from './dom';
import * as format from './format';
import { Popover } from './picker';
import { fixedRange, LAST, LAST_NAMES, type Last, MAX_RANGE_MS, type Range, shifted, type State } from './state';

export class TimePicker {
  readonly element: HTMLElement;
  #state!: State;
  #go: (change: Partial<State>) => void;
  #popover: Popover;
  #text = h('span', { class: 'picker-text' });
  #button = h('button', { type: 'button', class: 'quiet picker', 'aria-keyshortcuts': 't' }, icon('clock'), this.#text, icon('down'));
  #presets = new Map<Last, HTMLButtonElement>();
  #zones: Choice<'local' | 'utc'>;
  #from = h('input', { type: 'datetime-local', name: 'from', required: true });
  #to = h('input', { type: 'datetime-local', name: 'to', required: true });
  #problem = h('p', { class: 'field-problem', role: 'alert', hidden: true });
  #later = h('button', { type: 'button', class: 'quiet icon-button', title: 'Later ( ] )', 'aria-label': 'Later', 'aria-keyshortcuts': ']', click: () => this.shift(1) }, icon('later'));

  constructor(go: (change: Partial<State>) => void) {
    this.#go = go;
    for (const last of Object.keys(LAST) as Last[]) {
      this.#presets.set(last, h('button', { type: 'button', class: 'preset', 'aria-pressed': 'false', click: () => this.#choose({ last }) }, LAST_NAMES[last]));
    }
    this.#zones = new Choice('Time zone', [['local', 'Local time'], ['utc', 'UTC']], (zone) => this.#go({ utc: zone === 'utc' }));
    const form = h(
      'form',
      { class: 'absolute', submit: (event) => this.#submit(event) },
      h('label', {}, 'From', this.#from),
      h('label', {}, 'To', this.#to),
      this.#problem,
      h('button', { type: 'submit', class: 'primary' }, 'Show'),
    );
    const panel = h('div', { class: 'time-panel', role: 'dialog', 'aria-label': 'Range of time' }, h('div', { class: 'presets' }, ...this.#presets.values()), h('div', { class: 'stack-small' }, this.#zones.element, form));
    this.#popover = new Popover(this.#button, panel, () => this.#onOpen());
    const earlier = h('button', { type: 'button', class: 'quiet icon-button', title: 'Earlier ( [ )', 'aria-label': 'Earlier', 'aria-keyshortcuts': '[', click: () => this.shift(-1) }, icon('earlier'));
    this.element = h('div', { class: 'time-picker', role: 'group', 'aria-label': 'Time' }, earlier, this.#popover.element, this.#later);
  }

  open(): void {
    this.#popover.open();
  }

  /** One length of the range earlier or later. */
  shift(direction: -1 | 1): void {
    if (direction === 1 && this.#later.disabled) return;
    this.#go({ range: shifted(this.#state.range, Date.now(), direction) });
  }

  show(state: State): void {
    this.#state = state;
    const { range } = state;
    setText(this.#text, 'last' in range ? LAST_NAMES[range.last] : `${format.stretch(range.from, range.to)}${state.utc ? ' UTC' : ''}`);
    this.#zones.value = state.utc ? 'utc' : 'local';
    for (const [last, button] of this.#presets) button.setAttribute('aria-pressed', String('last' in range && range.last === last));
    this.#later.disabled = 'last' in range || range.to >= Date.now();
    if (!this.#popover.panel.hidden) this.#fill();
  }

  #onOpen(): void {
    this.#problem.hidden = true;
    this.#fill();
    const pressed = [...this.#presets.values()].find((button) => button.getAttribute('aria-pressed') === 'true');
    (pressed ?? this.#presets.get('15m'))?.focus();
  }

  #fill(): void {
    const { range } = this.#state;
    const now = Date.now();
    const { from, to } = 'last' in range ? { from: now - LAST[range.last], to: now } : range;
    this.#from.value = field(from);
    this.#to.value = field(to);
  }

  #choose(range: Range): void {
    this.#popover.close(true);
    this.#go({ range });
  }

  #submit(event: Event): void {
    event.preventDefault();
    const [from, to] = [read(this.#from.value, this.#state.utc), read(this.#to.value, this.#state.utc)];
    const range = fixedRange(from, to);
    this.#problem.hidden = range !== undefined;
    if (range) this.#choose(range);
    else setText(this.#problem, to - from > MAX_RANGE_MS ? 'At most 92 days.' : 'The end must come after the beginning.');
  }
}

/** As an input for date and time wants it. */
function field(ms: number): string {
  const { year, month, day, hour, minute } = format.calendar(ms);
  return `${year}-${format.pad(month + 1)}-${format.pad(day)}T${format.pad(hour)}:${format.pad(minute)}`;
}

function read(text: string, utc: boolean): number {
  return Date.parse(utc ? `${text}Z` : text);
}
