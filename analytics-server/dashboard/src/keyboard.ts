// Keys that work wherever nothing is being typed.

import type { PageName } from './state';

const PLACES: Record<string, PageName> = { n: 'now', t: 'trends', c: 'cohorts', o: 'compare', v: 'views', a: 'alerts' };
/** A second key belongs to `g` only if it comes soon. */
const PATIENCE_MS = 1_500;

export interface Commands {
  go(page: PageName): void;
  filter(): unknown;
  time(): unknown;
  shift(direction: -1 | 1): unknown;
  refresh(): void;
  theme(): void;
  help(): void;
}

export function listen(commands: Commands): void {
  let gone = Number.NEGATIVE_INFINITY;
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const { key, timeStamp } = event;
    const place = timeStamp - gone < PATIENCE_MS ? PLACES[key] : undefined;
    gone = key === 'g' ? timeStamp : Number.NEGATIVE_INFINITY;
    const command: Record<string, () => unknown> = {
      '/': commands.filter,
      '?': commands.help,
      '[': () => commands.shift(-1),
      ']': () => commands.shift(1),
      d: commands.theme,
      r: commands.refresh,
      t: commands.time,
    };
    const run = place ? () => commands.go(place) : command[key];
    if (!run) return;
    event.preventDefault();
    run();
  });
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, select, textarea, dialog[open]') !== null;
}
