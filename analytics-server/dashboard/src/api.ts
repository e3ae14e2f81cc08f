// What the server's JSON looks like, and how to ask for it.

export interface Totals {
  views: number;
  attempts: number;
  plays: number;
  startup_ms: { p50: number | null; p95: number | null; n: number };
  startup_failures: number;
  startup_failure_ratio: number | null;
  playback_failures: number;
  playback_failure_ratio: number | null;
  failures: number;
  failure_ratio: number | null;
  exits_before_start: number;
  exits_before_start_ratio: number | null;
  exits_before_start_under_1s: number;
  played_ms: number;
  rebuffer_ms: number;
  rebuffer_count: number;
  rebuffer_ratio: number | null;
  rebuffers_per_minute: number | null;
  rebuffered_plays_ratio: number | null;
  avg_bitrate_kbps: number | null;
  dropped_frames_ratio: number | null;
  concurrent_viewers_peak: number | null;
}

type Numbers = (number | null)[];

export interface Series {
  t_ms: number[];
  concurrent_viewers: Numbers;
  concurrent_viewers_peak: Numbers;
  attempts: number[];
  plays: number[];
  startup_p50_ms: Numbers;
  startup_p95_ms: Numbers;
  startup_n: number[];
  startup_failures: number[];
  playback_failures: number[];
  exits_before_start: number[];
  rebuffer_ratio: Numbers;
  avg_bitrate_kbps: Numbers;
}

export interface Overview {
  now_ms: number;
  from_ms: number;
  to_ms: number;
  bucket_ms: number;
  totals: Totals;
  series: Series;
}

export interface Live {
  now_ms: number;
  concurrent_viewers: number;
  open_views: number;
  starts_last_minute: number;
  states: Partial<Record<State, number>>;
}

export interface Status {
  version: string;
  sites: string[];
  /** Where players reach the collector; null if it is not known. */
  public_url: string | null;
}

export type State = 'idle' | 'starting' | 'playing' | 'paused' | 'rebuffering' | 'seeking' | 'ended' | 'failed';

export interface Rung {
  id: string;
  bandwidth_kbps: number;
  width: number;
  height: number;
}

export interface View {
  site: string;
  view_id: string;
  session_id: string;
  phase: 'live' | 'silent' | 'closed' | 'final';
  state: State;
  view_end: boolean;
  ended: boolean;
  start_ms: number;
  last_beat_ms: number;
  last_t_ms: number;
  clock_skew_ms: number;
  beacons: number;
  max_seq: number;
  source: string;
  protocol: string;
  stream_type: string;
  video_id: string;
  video_title: string;
  viewer_id: string;
  duration_ms: number;
  player: string;
  abr: string;
  device: string;
  browser: string;
  os: string;
  page_host: string;
  cdn_host: string;
  ladder: Rung[];
  play_intent: boolean;
  startup_ms: number | null;
  waited_ms: number;
  watched_ms: number;
  played_ms: number;
  paused_ms: number;
  rebuffer_ms: number;
  rebuffer_count: number;
  rebuffer_network_ms: number;
  rebuffer_ratio: number | null;
  seek_ms: number;
  seek_count: number;
  media_ms: number;
  avg_bitrate_kbps: number | null;
  switches_up: number;
  switches_down: number;
  decoded_frames: number;
  dropped_frames: number;
  requests: number;
  requests_failed: number;
  requests_cancelled: number;
  bytes: number;
  fatal: string | null;
  fatal_message: string | null;
  events_dropped: number;
}

export interface ViewList {
  now_ms: number;
  views: View[];
  more: boolean;
}

export interface RequestEvent {
  t: number;
  e: 'request';
  kind: string;
  track?: string;
  rendition?: string;
  media_ms?: number;
  bytes: number;
  ttfb_ms: number;
  ms: number;
  status: number;
  cancelled?: boolean;
}

/** player-core's `TimedEvent`. */
export type Event =
  | { t: number; e: 'ended' | 'first_frame' | 'manifest' | 'pause' | 'play' | 'playing' }
  | { t: number; e: 'rebuffer_end' | 'seeked' | 'view_end' | 'view_start' }
  | { t: number; e: 'error'; kind: string; fatal: boolean; message: string }
  | { t: number; e: 'hidden'; hidden: boolean }
  | { t: number; e: 'rebuffer_start'; cause: string }
  | { t: number; e: 'rendition'; id: string; kbps: number; height: number }
  | RequestEvent
  | { t: number; e: 'sample'; pos_ms: number; buffer_ms: number; kbps: number }
  | { t: number; e: 'seek'; to_ms: number };

export interface OneView {
  now_ms: number;
  view: View;
  events: Event[];
  events_truncated: boolean;
}

/** An answer that is an error, with the server's explanation. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export async function get<T>(path: string, params: Record<string, string | number | undefined>, signal: AbortSignal): Promise<T> {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  const response = await fetch(url, { signal, headers: { accept: 'application/json' } });
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  throw new ApiError(response.status, problem?.error?.message ?? `the server answered ${response.status}`);
}
