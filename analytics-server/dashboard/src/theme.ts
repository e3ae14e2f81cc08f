// Light or dark: as the system says, unless somebody chose. Runs before the first paint.

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'headgate-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

export function theme(): Theme {
  const stored = storage()?.getItem(KEY);
  return stored === 'light' || stored === 'dark' ? stored : 'auto';
}

export function isDark(): boolean {
  const chosen = theme();
  return chosen === 'auto' ? system.matches : chosen === 'dark';
}

/** The other one; where that is what the system says, the system's from now on. */
export function toggleTheme(): void {
  const dark = !isDark();
  if (dark === system.matches) storage()?.removeItem(KEY);
  else storage()?.setItem(KEY, dark ? 'dark' : 'light');
  apply();
}

export function onTheme(listener: () => void): void {
  listeners.add(listener);
}

/** Storage may be forbidden. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

export function apply(): void {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

system.addEventListener('change', apply);
