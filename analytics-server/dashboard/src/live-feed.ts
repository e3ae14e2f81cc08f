// `/v1/live` as a stream, and asked again and again where there is none: behind proxies that hold streams back, or when
// the server has as many readers as it takes.

import { type Answer, get, type Live, type Quality } from './api';

const POLL_MS = 3_000;
const QUALITY_MS = 300_000;
/** A stream that says nothing for so long is held back. */
const SILENCE_MS = 8_000;

export const QUALITY_METRICS = [
  'attempts',
  'plays',
  'startup_ms_p50',
  'startup_ms_p95',
  'startup_failure',
  'ebvs',
  'playback_fail',
  'failure_pct',
  'rebuffer_ratio',
  'avg_bitrate',
  'live_latency',
] as const;

export class LiveFeed {
  #stream: EventSource | undefined;
  #site: string;
  #onLive: (live: Live) => void;
  #onQuality: (quality: Quality) => void;
  #heard = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort = new AbortController();
  #quality = 0;

  constructor(site: string, onLive: (live: Live) => void, onQuality: (quality: Quality) => void) {
    this.#site = site;
    this.#onLive = onLive;
    this.#onQuality = onQuality;
    this.#open();
    document.addEventListener('visibilitychange', this.#onVisibility);
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.#onVisibility);
    this.#stop();
    this.#abort.abort();
  }

  /** Nobody looks: nobody asks. */
  #onVisibility = (): void => {
    if (document.hidden) this.#stop();
    else this.#open();
  };

  #stop(): void {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = undefined;
  }

  #open(): void {
    if (this.#stream) return;
    const url = new URL('/v1/live', location.origin);
    if (this.#site) url.searchParams.set('site', this.#site);
    this.#heard = performance.now();
    const stream = new EventSource(url);
    this.#stream = stream;
    stream.addEventListener('live', ({ data }: MessageEvent<string>) => {
      this.#heard = performance.now();
      this.#onLive(JSON.parse(data) as Live);
    });
    stream.addEventListener('quality', ({ data }: MessageEvent<string>) => this.#onQuality(JSON.parse(data) as Quality));
    // What is no stream is noticed at once; a connection that was lost is made anew by the browser.
    stream.addEventListener('error', () => {
      if (stream.readyState === EventSource.CLOSED && this.#stream === stream) void this.#poll();
    });
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const silent = performance.now() - this.#heard > SILENCE_MS;
      if (silent || this.#stream?.readyState === EventSource.CLOSED) await this.#poll();
      if (!this.#abort.signal.aborted && !document.hidden) this.#watch();
    }, POLL_MS);
  }

  async #poll(): Promise<void> {
    const { signal } = this.#abort;
    try {
      this.#onLive(await get<Live>('/v1/live', { site: this.#site }, { signal }));
      if (performance.now() - this.#quality < 10_000) return;
      this.#quality = performance.now();
      const to = Date.now();
      const params = { metric: QUALITY_METRICS.join(','), from: to - QUALITY_MS, to, site: this.#site };
      const { now_ms, from_ms, to_ms, rows } = await get<Answer>('/v1/query', params, { signal });
      this.#onQuality({ now_ms, from_ms, to_ms, values: rows[0]?.values ?? {} });
    } catch {
      // The page's own refresh says that the server does not answer.
    }
  }
}
