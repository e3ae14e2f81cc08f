import type { Surroundings } from './options.js';

/** Families only: enough to group views by, too little to know a viewer by. */
export function surroundings(): Surroundings {
  const agent = navigator.userAgent;
  const { connection } = navigator as { connection?: { type?: string } };
  return { device: device(agent), browser: browser(agent), os: system(agent), network: connection?.type ?? '', pageHost: pageHost() };
}

/** The name in the user agent string and ours; the first one counts, for most of them also name the later ones. */
const BROWSERS: [RegExp, string][] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];

const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad|iPod/, 'iOS'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Tizen/, 'Tizen'],
  [/Web0S|webOS/, 'webOS'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux'],
];

export function browser(agent: string): string {
  return BROWSERS.find(([pattern]) => pattern.test(agent))?.[1] ?? '';
}

export function system(agent: string): string {
  return SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1] ?? '';
}

export function device(agent: string): string {
  if (/\bTV\b|SmartTV|SMART-TV|Web0S|AppleTV|BRAVIA|CrKey/i.test(agent)) return 'tv';
  if (/iPad|Tablet/.test(agent) || (/Android/.test(agent) && !/Mobile/.test(agent))) return 'tablet';
  return /Mobi|iPhone|iPod/.test(agent) ? 'phone' : 'desktop';
}

/** The page that the viewer looks at: the outermost, if we are in a frame of it. */
function pageHost(): string {
  const outermost = location.ancestorOrigins ? [...location.ancestorOrigins].pop() : undefined;
  try {
    return new URL(outermost ?? location.href).hostname;
  } catch {
    return location.hostname;
  }
}
