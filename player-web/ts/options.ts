// What an application may set, and how it goes to the driver.

/** The engine: a URL, or what an application has loaded or compiled itself. */
export type WasmSource = string | URL | WebAssembly.Module | BufferSource;

export interface HeadgateOptions {
  abr?: AbrOptions;
  buffer?: BufferOptions;
  retry?: RetryOptions;
  /** Where beacons go: the `/v1/beacons` of a collector. Without it, or without `siteKey`, nothing is reported. */
  beaconUrl?: string;
  /** Which property the views belong to. */
  siteKey?: string;
  /** A pseudonym of the viewer; never an address or a name. */
  viewerId?: string;
  /**
   * Where what is learnt of the network (throughput, its spread, the time) is kept for the next player, under the key
   * `headgate.network`: `localStorage` where the browser allows it, a storage of yours, or nowhere. Default `local`.
   */
  storage?: 'local' | 'none' | NetworkStorage;
  /** Keep a log of the engine's inputs and outputs for `exportLog()`. It holds the URLs that were fetched. */
  record?: boolean;
  /** The engine, if it is not beside the script as `player.wasm`. The first player of a page decides. */
  wasm?: WasmSource;
}

/** A part of the interface `Storage`. */
export interface NetworkStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export interface AbrOptions {
  /** Default `headgate`. */
  algorithm?: 'bola' | 'headgate' | 'throughput';
  /**
   * What matters to the viewer: `smooth` makes changes of quality cost twice as much, `low-latency` stalls three times;
   * `data-saver` chooses nothing above 480 lines or 1500 kbit/s. Default `balanced`.
   */
  preset?: 'balanced' | 'data-saver' | 'low-latency' | 'smooth';
  /**
   * What quality is measured by: the bitrate, its logarithm, or what the stream says of each segment (VMAF or the like), where
   * it does. Default: the preset's.
   */
  utility?: 'bitrate' | 'log-bitrate' | 'quality';
  /** Cost of a second without pictures, in units of the best quality for one segment; 0 to 100. Default: the preset's. */
  stallCost?: number;
  /** Cost of a rise from the worst to the best quality, in the same unit; -1 to 100, below zero it is a reward. */
  riseCost?: number;
  /** Cost of a fall from the best to the worst quality, in the same unit; 0 to 100. */
  fallCost?: number;
  /** Segments that the planner looks ahead, 1 to 20. Default 8. */
  horizon?: number;
  /** Throughput to assume at first, kbit/s; `null` starts with the lowest rendition. Default 3000. */
  initialThroughputKbps?: number | null;
  /** Never choose a rendition above this, kbit/s; see also `setLimits()`. */
  maxBandwidthKbps?: number | null;
  /** Never choose a rendition of more lines than this. */
  maxHeight?: number | null;
  /** Keep within the limits of `data-saver` while the viewer asks for little data (`navigator.connection.saveData`). Default true. */
  followSaveData?: boolean;
  /**
   * A rendition of whose frames a larger share than this is dropped within five seconds is left alone for half a minute, and
   * longer each further time; `null` lets frames drop. Default 0.2.
   */
  maxDroppedFrames?: number | null;
  /** Never choose a rendition that is larger than the element by more than a rung. Default true. */
  capToElementSize?: boolean;
  /** Give a download up when a lower rendition gets there sooner. Default true. */
  abandonment?: boolean;
}

export interface BufferOptions {
  /** Seconds to have ahead of the playhead. Default 30. */
  goalS?: number;
  /** Seconds to keep behind the playhead. Default 30. */
  backS?: number;
}

export interface RetryOptions {
  /** Attempts for a manifest, playlist or initialization section. Default 4. */
  manifestAttempts?: number;
  /** Attempts for a media segment. Default 6. */
  segmentAttempts?: number;
  /** First pause, milliseconds; it doubles each time. Default 500. */
  backoffMs?: number;
  /** Longest wait for the first byte, milliseconds. Default 10 000. */
  ttfbTimeoutMs?: number;
  /** Longest silence within a body, milliseconds. Default 10 000. */
  stallTimeoutMs?: number;
}

/** What the page knows about its viewer's machine. */
export interface Surroundings {
  device: string;
  browser: string;
  os: string;
  pageHost: string;
}

/** The options of the driver (`src/options.rs`). */
export function driverOptions(options: HeadgateOptions, around: Surroundings): object {
  const { wasm: _, storage: __, beaconUrl, siteKey, viewerId, ...rest } = options;
  if (!beaconUrl || !siteKey) return rest;
  return { ...rest, beaconUrl, telemetry: { site: siteKey, viewerId, ...around } };
}
