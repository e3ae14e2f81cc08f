// What an application may set, and how it goes to the driver.

import type { DrmOptions } from './drm-options.js';

/** The engine: a URL, or what an application has loaded or compiled itself. */
export type WasmSource = string | URL | WebAssembly.Module | BufferSource;

export interface HeadgateOptions {
  abr?: AbrOptions;
  buffer?: BufferOptions;
  cmcd?: CmcdOptions;
  /** Protected streams: key systems, licence servers. Read at each load. */
  drm?: DrmOptions;
  live?: LiveOptions;
  retry?: RetryOptions;
  tracks?: TrackOptions;
  /**
   * Called before each attempt at each request, which waits for what it returns: another URL (with a fresh token, say), more header
   * fields, credentials. With it, a request that is refused with 401 or 403 is made once more, at once.
   */
  request?: (request: RequestInfo) => RequestChange | undefined | void | Promise<RequestChange | undefined | void>;
  /** For URLs that are signed by a token in their path, `/t/<token>/…`: the token is renewed, and no log, error or report has it. */
  signing?: SigningOptions;
  /** Where beacons go: the `/v1/beacons` of a collector. Without it, or without `siteKey`, nothing is reported. */
  beaconUrl?: string;
  /** Which property the views belong to. */
  siteKey?: string;
  /** A pseudonym of the viewer; never an address or a name. */
  viewerId?: string;
  /** The experiment that the viewer takes part in, so that its arms can be compared. */
  experiment?: Experiment;
  /** What else views are told apart by, at most ten: names of letters, digits, `_` and `-`; never what identifies a person. */
  dimensions?: Record<string, string>;
  /**
   * Where what is learnt of the network (throughput, its spread, the time) is kept for the next player, under the key
   * `headgate.network`: `localStorage` where the browser allows it, a storage of yours, or nowhere. Default `local`.
   */
  storage?: 'local' | 'none' | NetworkStorage;
  /** Keep a log of the engine's inputs and outputs for `exportLog()`. It holds the URLs that were fetched. */
  record?: boolean;
  /** The engine, if it is not beside the script as `player.wasm`. The first player of a page decides. */
  wasm?: WasmSource;
  /**
   * The transmuxer, if it is not beside the script as `transmux.wasm`. It is loaded when a stream needs it: for MPEG-TS, packed audio,
   * SAMPLE-AES. The first player of a page that needs it decides.
   */
  transmuxWasm?: WasmSource;
}

export interface Experiment {
  name: string;
  arm: string;
  /** The share of viewers that were to be in this arm, above 0, at most 1. */
  probability?: number;
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

/** How a live stream is followed. */
export interface LiveOptions {
  /** Seconds behind the live edge to play at. Default: as the stream says. */
  latencyS?: number;
  /** Fetch what is there, or announced, before its segment is whole. Default true. */
  parts?: boolean;
  /** Slowest playback rate, so as not to run out of media; a stream may allow less. Default 0.95. */
  minRate?: number;
  /** Fastest playback rate, to catch up; a stream may allow less. Default 1.08. */
  maxRate?: number;
  /** So many seconds beyond where it should be the playhead jumps, and does not catch up. Default 6. */
  maxDriftS?: number;
}

/** Which sound and text to begin with, where there is a choice. */
export interface TrackOptions {
  /** Language of the sound (BCP 47). Default: as the stream says. */
  audioLanguage?: string;
  /** Language of subtitles to show from the start (BCP 47). Default: none but those that the stream wants to be shown. */
  textLanguage?: string;
  /** Show subtitles that the stream declares as default or forced. Default true. */
  defaultText?: boolean;
}

/** When requests are tried again: for all kinds, and what differs for some. */
export interface RetryOptions extends RetryPolicy {
  manifest?: RetryPolicy;
  /** Media playlists and segment indexes. */
  playlist?: RetryPolicy;
  segment?: RetryPolicy;
  /** Initialization sections. */
  init?: RetryPolicy;
  text?: RetryPolicy;
  key?: RetryPolicy;
  /** Licences and certificates. Default: 3 attempts, 1 s between them, 15 s for the first byte; no second one after a status of 400 to 499. */
  licence?: RetryPolicy;
  /** Content steering. */
  steering?: RetryPolicy;
  /** Sources of time. */
  clock?: RetryPolicy;
  /** The segment table. */
  table?: RetryPolicy;
  /** How long a network that carries nothing is waited for once playback has begun, milliseconds. Default 180 000. */
  outageMs?: number;
}

/** While the browser is offline, nothing of this counts. The defaults differ by kind; those of segments are given. */
export interface RetryPolicy {
  /** Attempts at each place that has it. Default 6. */
  attempts?: number;
  /** First pause, milliseconds; it doubles each time. Default 500. */
  backoffMs?: number;
  /** Longest pause, milliseconds; a server may ask for up to a minute (`Retry-After`). Default 4000. */
  maxBackoffMs?: number;
  /** How far a pause is off at random, as a share of it; 0 to 1. Default 0.25. */
  jitter?: number;
  /** Longest wait for the first byte, milliseconds; 0 is none. Default 10 000. */
  ttfbTimeoutMs?: number;
  /** Longest silence within a body, milliseconds; 0 is none. Default 10 000. */
  stallTimeoutMs?: number;
  /** Longest time for the whole if it comes at less than 10 kbit/s, else four times as long; 0 is none. Default 120 000. */
  totalTimeoutMs?: number;
}

/** A request that is about to be made. */
export interface RequestInfo {
  kind:
    | 'certificate'
    | 'clock'
    | 'init'
    | 'key'
    | 'licence'
    | 'manifest'
    | 'playlist'
    | 'segment'
    | 'segment-table'
    | 'steering'
    | 'text'
    | 'thumbnails';
  url: string;
}

/**
 * The token is that of the URL which is loaded, `https://cdn.example/t/<token>/demo/master.m3u8`; it is sent to the origin of that URL
 * alone. Everything but the requests themselves has `/t/-/` in its place.
 */
export interface SigningOptions {
  /** The token, if the URL has `/t/-/` in its place. Without it, `refresh` is asked for the first one. */
  token?: string;
  /** When the token expires, milliseconds as `Date.now()`. Without it, the token is renewed when a request is refused. */
  expires?: number;
  /** Other origins that the token is for, as `https://cdn-b.example`. */
  origins?: string[];
  /**
   * Gives a new token, or a new signed URL. It is called at four fifths of the token's life, or a minute before its end if that is later,
   * and when a request is refused with 403, which is then made once more. Requests wait for it ten seconds at most; if it fails there is a
   * `warning` of kind `signing`.
   */
  refresh: (wanted: RefreshInfo) => Promise<SigningToken | string | URL> | SigningToken | string | URL;
}

export interface SigningToken {
  token: string;
  /** Milliseconds as `Date.now()`. */
  expires?: number;
}

export interface RefreshInfo {
  /** What the token is for, with `/t/-/` in its place: the URL that was loaded, or the one that was refused. */
  url: string;
  reason: 'expiring' | 'refused';
}

/** What to change in it. */
export interface RequestChange {
  url?: string;
  headers?: Record<string, string>;
  /** Default `omit`. */
  credentials?: RequestCredentials;
}

/** Common Media Client Data (CTA-5004, CTA-5004-B): what to tell servers about playback. */
export interface CmcdOptions {
  /**
   * With each request: in the query, which becomes a part of the key of caches that do not leave `CMCD` out; in header fields, which
   * other origins must allow; or not at all. Default `off`.
   */
  mode?: 'header' | 'off' | 'query';
  /** Default 1. */
  version?: 1 | 2;
  /** Default: a UUID for each load. */
  sessionId?: string;
  /** Default: the load's `videoId`. */
  contentId?: string;
  /** Keys to send, as `br`. Default: all. */
  keys?: string[];
  /** Also with requests for keys and licences. Default false. */
  includeKeys?: boolean;
  /** Collectors of events, in version 2. */
  targets?: CmcdTarget[];
}

export interface CmcdTarget {
  /** Absolute. */
  url: string;
  /** State, error, interval, content, background, bitrate, rate, response. Default: `ps`, `e`, `t`. */
  events?: ('ps' | 'e' | 't' | 'c' | 'b' | 'bc' | 'pr' | 'rr')[];
  /** Seconds between two events `t`; 0 is none. Default 30. */
  intervalS?: number;
  /** Keys to send. Default: all. */
  keys?: string[];
  /** Events that are gathered, for up to ten seconds, before they are sent. Default 1. */
  batch?: number;
}

/** What the page knows about its viewer's machine. */
export interface Surroundings {
  device: string;
  browser: string;
  os: string;
  /** As `navigator.connection.type` has it; empty where the browser does not tell. */
  network: string;
  pageHost: string;
}

/** The options of the driver (`src/options.rs`). */
export function driverOptions(options: HeadgateOptions, around: Surroundings): object {
  const { wasm: _, transmuxWasm: __, storage: ___, signing: ____, drm: _____, beaconUrl, siteKey, viewerId, experiment, dimensions, ...rest } = options;
  if (!beaconUrl || !siteKey) return rest;
  const named = Object.entries(dimensions ?? {}).map(([name, value]) => ({ name, value }));
  return { ...rest, beaconUrl, telemetry: { site: siteKey, viewerId, experiment, dimensions: named, ...around } };
}
