// What the server's JSON looks like, and how to ask for it.

/** A value of a metric, and what it is made of. */
export interface Cell {
  value: number | null;
  numerator?: number | null;
  denominator?: number | null;
  /** Views behind it; null where it was counted without knowing whose. */
  n: number | null;
}

export type Unit = 'bytes' | 'count' | 'kilobits_per_second' | 'milliseconds' | 'per_minute' | 'ratio';
export type Better = 'higher' | 'lower' | 'neither';

export interface MetricInfo {
  name: string;
  unit: Unit;
  better: Better;
}

export interface Definitions {
  metrics: (MetricInfo & { definition: string })[];
  dimensions: string[];
}

export interface Answer {
  now_ms: number;
  from_ms: number;
  to_ms: number;
  bucket_ms: number | null;
  bots_excluded?: boolean;
  metrics: MetricInfo[];
  by: string[];
  rows: { t_ms?: number; by: Record<string, string>; values: Record<string, Cell> }[];
  more: boolean;
}

export interface Cohort {
  by: Record<string, string>;
  filters: string[];
  cell: Cell;
  views: number;
  difference: number;
  impact: number;
  share: number | null;
}

export interface Cohorts {
  now_ms: number;
  from_ms: number;
  to_ms: number;
  bots_excluded?: boolean;
  metric: MetricInfo;
  total: Cell;
  cohorts: Cohort[];
  left_out?: number;
}

export interface Rule {
  name: string;
  metric: string;
  site: string | null;
  filters: string[];
  condition: { kind: 'above' | 'below'; threshold: number; clear: number } | { kind: 'baseline'; deviations: number; days: number; direction?: 'above' | 'below'; season?: 'day' | 'week' };
  window_s: number;
  for_s: number;
  min_n: number;
  by: string[];
}

export interface Alert {
  id: string | number;
  rule: string;
  metric: string;
  site: string | null;
  state: 'pending' | 'firing' | 'resolved';
  since_ms: number;
  fired_ms: number | null;
  resolved_ms: number | null;
  value: number | null;
  threshold: number | null;
  baseline: number | null;
  n: number | null;
  cohort: { by: Record<string, string>; filters: string[]; value: number | null; n: number | null; impact: number } | null;
}

export interface Alerts {
  now_ms: number;
  rules: Rule[];
  alerts: Alert[];
}

/** Of `/v1/overview`, what nothing else has: viewers at a time. */
export interface Overview {
  now_ms: number;
  from_ms: number;
  to_ms: number;
  bucket_ms: number;
  totals: { concurrent_viewers_peak: number | null };
  series: { t_ms: number[]; concurrent_viewers: (number | null)[]; concurrent_viewers_peak: (number | null)[] };
}

export interface Live {
  now_ms: number;
  concurrent_viewers: number;
  open_views: number;
  starts_last_minute: number;
  states: Partial<Record<State, number>>;
}

/** The event `quality` of the stream. */
export interface Quality {
  now_ms: number;
  from_ms: number;
  to_ms: number;
  values: Record<string, Cell>;
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
  country?: string;
  network?: string;
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
  | { t: number; e: 'limit'; id: string; by: string }
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

type Param = string | number | undefined;
export type Params = Record<string, Param | readonly string[]>;

/** Answers of the last seconds: going back and forth asks nothing anew. */
const answers = new Map<string, { at: number; json: unknown }>();
const MAX_ANSWERS = 60;

export interface Options {
  signal: AbortSignal;
  /** An answer that is no older than this will do. */
  maxAgeMs?: number;
}

export async function get<T>(path: string, params: Params, { signal, maxAgeMs = 0 }: Options): Promise<T> {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== '') url.searchParams.append(name, String(one));
  }
  const known = answers.get(url.href);
  if (known && performance.now() - known.at < maxAgeMs) return known.json as T;
  const response = await fetch(url, { signal, headers: { accept: 'application/json' } });
  if (!response.ok) {
    const problem = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
    throw new ApiError(response.status, problem?.error?.message ?? `the server answered ${response.status}`);
  }
  const json = (await response.json()) as T;
  answers.delete(url.href);
  answers.set(url.href, { at: performance.now(), json });
  for (const old of answers.keys()) {
    if (answers.size <= MAX_ANSWERS) break;
    answers.delete(old);
  }
  return json;
}

/** Something that this server does not have (yet): undefined. */
export async function getIfThere<T>(path: string, params: Params, options: Options): Promise<T | undefined> {
  try {
    return await get<T>(path, params, options);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

let asked: Promise<Definitions> | undefined;

/** What can be asked for; it does not change while the server runs. */
export function definitions(): Promise<Definitions> {
  asked ??= get<Definitions>('/v1/definitions', {}, { signal: AbortSignal.timeout(15_000) }).catch((error: unknown) => {
    asked = undefined;
    throw error;
  });
  return asked;
}
