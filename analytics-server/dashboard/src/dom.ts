// Elements. Strings only ever become text or attributes, never markup.

type Child = Node | string | undefined | false;
type Props = Record<string, string | number | boolean | undefined | EventListener>;

/** An element with attributes; those that are functions are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
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
