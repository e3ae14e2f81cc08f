// What is learnt of the network, from one player to the next. Only throughput, its spread and the time are kept.

import type { NetworkMemory } from './messages.js';
import type { HeadgateOptions, NetworkStorage } from './options.js';

const KEY = 'headgate.network';

/** What was kept; nothing if it cannot be read or is not what was written. */
export function recall(option: HeadgateOptions['storage']): NetworkMemory | undefined {
  try {
    const text = storage(option)?.getItem(KEY);
    if (typeof text !== 'string') return undefined;
    const { kbps, spread, time } = JSON.parse(text) as Record<string, unknown>;
    return number(kbps) && number(spread) && number(time) ? { kbps, spread, unixMs: time } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps it, if that is allowed and there is room. */
export function remember(option: HeadgateOptions['storage'], { kbps, spread, unixMs }: NetworkMemory): void {
  try {
    storage(option)?.setItem(KEY, JSON.stringify({ kbps: Math.round(kbps), spread: Math.round(spread * 1000) / 1000, time: unixMs }));
  } catch {
    // Private windows, sandboxed frames, a full quota: the next player begins without it.
  }
}

function storage(option: HeadgateOptions['storage'] = 'local'): NetworkStorage | undefined {
  if (option === 'none') return undefined;
  // Asking for it can throw already.
  return option === 'local' ? localStorage : option;
}

function number(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
