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
  /** Keep a log of the engine's inputs and outputs for `exportLog()`. It holds the URLs that were fetched. */
  record?: boolean;
  /** The engine, if it is not beside the script as `player.wasm`. The first player of a page decides. */
  wasm?: WasmSource;
}

export interface AbrOptions {
  /** Default `headgate`. */
  algorithm?: 'bola' | 'headgate' | 'throughput';
  /** Throughput to assume at first, kbit/s; `null` starts with the lowest rendition. Default 3000. */
  initialThroughputKbps?: number | null;
  /** Never choose a rendition above this, kbit/s. */
  maxBandwidthKbps?: number | null;
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
  const { wasm: _, beaconUrl, siteKey, viewerId, ...rest } = options;
  if (!beaconUrl || !siteKey) return rest;
  return { ...rest, beaconUrl, telemetry: { site: siteKey, viewerId, ...around } };
}
