// Elements. Strings only ever become text or attributes, never markup.

type Child = Node | string | undefined | false;
type Props = Record<string, string | number | boolean | undefined | EventListener>;

/** An element with attributes; those that are functions are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);
}

function fill<E extends Element>(element: E, props: Props, children: Child[]): E {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
}

/** Sets the text, if it is another one: what has not changed keeps its selection. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element: Element, name: string): void {
  if (element.className !== name) element.className = name;
}

/** Fills the element only when `key` is another one than the last time: focus and selection stay where they are. */
export function fillOnce(element: HTMLElement, key: unknown, children: () => (Node | string)[]): void {
  const text = JSON.stringify(key);
  if (filled.get(element) === text) return;
  filled.set(element, text);
  element.replaceChildren(...children());
}

const filled = new WeakMap<HTMLElement, string>();

/** Icons of 16 × 16, drawn with lines. */
const ICONS = {
  close: 'M4 4l8 8M12 4l-8 8',
  down: 'M4 6l4 4 4-4',
  earlier: 'M10 3L5 8l5 5',
  filter: 'M2 3.500h12M4.5 8h7M6.5 12.500h3',
  help: 'M5.8 5.700a2.3 2.3 0 1 1 3.2 2.100c-.7.4-1 .8-1 1.700M8 12.300v.2',
  later: 'M6 3l5 5-5 5',
  moon: 'M13 9.800A5.7 5.7 0 0 1 6.2 3 5.7 5.7 0 1 0 13 9.800z',
  plus: 'M8 3v10M3 8h10',
  refresh: 'M13 8a5 5 0 1 1-1.6-3.700M13 2.500v3h-3',
  search: 'M7 11.500a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.300L14 14',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.500V8l2.5 1.5',
  sun: 'M8 10.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 1.500v1.500M8 13v1.500M1.5 8H3M13 8h1.500M3.4 3.400l1.1 1.100M11.5 11.500l1.1 1.100M3.4 12.600l1.1-1.100M11.5 4.500l1.1-1.1',
  warning: 'M8 2.200L14.5 13.500h-13zM8 6.500v3.200M8 11.500v.2',
} as const;

export function icon(name: keyof typeof ICONS): SVGElement {
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' }, svg('path', { d: ICONS[name] }));
}

/** Buttons of which one is pressed. */
export class Choice<T extends string> {
  readonly element: HTMLElement;
  #buttons = new Map<T, HTMLButtonElement>();

  constructor(label: string, options: readonly (readonly [T, string])[], onChoose: (value: T) => void) {
    for (const [value, text] of options) {
      this.#buttons.set(value, h('button', { type: 'button', 'aria-pressed': 'false', click: () => onChoose(value) }, text));
    }
    this.element = h('div', { class: 'choice', role: 'group', 'aria-label': label }, ...this.#buttons.values());
  }

  set value(chosen: T) {
    for (const [value, button] of this.#buttons) button.setAttribute('aria-pressed', String(value === chosen));
  }
}
