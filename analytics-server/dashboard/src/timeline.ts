// From a view's events to what its timeline draws. No drawing in here.

import type { Event, RequestEvent, State, View } from './api';
import * as format from './format';

export interface Stretch {
  fromMs: number;
  toMs: number;
}

export interface Timeline {
  /** The view's length so far, at least 1 s. */
  lengthMs: number;
  /** What the player did, without gaps. */
  states: (Stretch & { state: State })[];
  stalls: (Stretch & { cause: string })[];
  seeks: Stretch[];
  errors: { t: number; fatal: boolean }[];
  samples: { t: number; bufferMs: number; kbps: number }[];
  /** What is seen from a time on. */
  renditions: { t: number; kbps: number }[];
  requests: (Stretch & { event: RequestEvent; failed: boolean })[];
}

export type Group = 'requests' | 'switches' | 'stalls' | 'seeks' | 'errors' | 'other';

export interface Line {
  t: number;
  group: Group;
  name: string;
  text: string;
  tone: '' | 'bad' | 'warn' | 'good';
}

export function timeline(view: View, events: readonly Event[]): Timeline {
  const last = events.at(-1)?.t ?? 0;
  const lengthMs = Math.max(view.last_t_ms, last, 1000);
  const result: Timeline = { lengthMs, states: [], stalls: [], seeks: [], errors: [], samples: [], renditions: [], requests: [] };
  const changes: { t: number; state: State }[] = [{ t: 0, state: 'idle' }];
  const now = (): State => changes.at(-1)?.state ?? 'idle';
  const become = (t: number, state: State) => {
    if (state !== now()) changes.push({ t, state });
  };
  let started = false;
  let beforeSeek: State = 'playing';
  for (const event of events) {
    const { t } = event;
    switch (event.e) {
      case 'play':
        if (!started) become(t, 'starting');
        break;
      case 'first_frame':
        started = true;
        become(t, 'playing');
        break;
      case 'playing':
        started = true;
        become(t, 'playing');
        break;
      case 'pause':
        if (now() === 'seeking') beforeSeek = 'paused';
        else if (started) become(t, 'paused');
        break;
      case 'rebuffer_start':
        become(t, 'rebuffering');
        result.stalls.push({ fromMs: t, toMs: lengthMs, cause: event.cause });
        break;
      case 'rebuffer_end':
        end(result.stalls, t, lengthMs);
        if (now() === 'rebuffering') become(t, 'playing');
        break;
      case 'seek':
        end(result.stalls, t, lengthMs);
        if (now() !== 'seeking') {
          beforeSeek = now() === 'paused' ? 'paused' : 'playing';
          result.seeks.push({ fromMs: t, toMs: lengthMs });
        }
        if (started) become(t, 'seeking');
        break;
      case 'seeked':
        end(result.seeks, t, lengthMs);
        if (now() === 'seeking') become(t, beforeSeek);
        break;
      case 'ended':
        become(t, 'ended');
        break;
      case 'error':
        result.errors.push({ t, fatal: event.fatal });
        if (event.fatal) {
          end(result.stalls, t, lengthMs);
          become(t, 'failed');
        }
        break;
      case 'sample':
        result.samples.push({ t, bufferMs: event.buffer_ms, kbps: event.kbps });
        break;
      case 'rendition':
        result.renditions.push({ t, kbps: event.kbps });
        break;
      case 'request':
        result.requests.push({ fromMs: Math.max(0, t - event.ms), toMs: t, event, failed: hasFailed(event) });
        break;
    }
  }
  result.states = changes.map(({ t, state }, at) => ({ fromMs: t, toMs: changes[at + 1]?.t ?? lengthMs, state }));
  return result;
}

/** Throughput of a request without the wait for its first byte, kbit/s; undefined if it says little: short or cut off. */
export function throughput(event: RequestEvent): number | undefined {
  const ms = event.ms - event.ttfb_ms;
  if (hasFailed(event) || event.cancelled || event.bytes < 16_000 || ms < 2) return undefined;
  return (event.bytes * 8) / ms;
}

/** The events as lines for people, samples left out. */
export function lines(events: readonly Event[]): Line[] {
  const result: Line[] = [];
  let rendition: string | undefined;
  let stall: number | undefined;
  let seek: number | undefined;
  const add = (t: number, group: Group, name: string, text = '', tone: Line['tone'] = '') => {
    result.push({ t, group, name, text, tone });
  };
  for (const event of events) {
    const { t } = event;
    switch (event.e) {
      case 'sample':
        break;
      case 'request':
        add(t, 'requests', event.cancelled ? 'Request cancelled' : hasFailed(event) ? 'Request failed' : 'Request', request(event), event.cancelled ? 'warn' : hasFailed(event) ? 'bad' : '');
        break;
      case 'rendition': {
        const name = event.height ? `${event.height}p` : event.id;
        const text = `${rendition ? `${rendition} → ` : ''}${name} · ${format.bitrate(event.kbps)}`;
        add(t, 'switches', rendition ? 'Rendition' : 'First rendition', text);
        rendition = name;
        break;
      }
      case 'limit': {
        const text = event.by ? `no higher than ${event.id}: ${event.by.split(',').join(', ')}` : 'none any more';
        add(t, 'switches', 'Limit', text);
        break;
      }
      case 'rebuffer_start':
        stall = t;
        add(t, 'stalls', 'Rebuffering', `cause: ${event.cause}`, 'bad');
        break;
      case 'rebuffer_end':
        add(t, 'stalls', 'Rebuffering ended', stall === undefined ? '' : `after ${format.wait(t - stall)}`);
        stall = undefined;
        break;
      case 'seek':
        seek = t;
        add(t, 'seeks', 'Seek', `to ${format.position(event.to_ms)}`);
        break;
      case 'seeked':
        add(t, 'seeks', 'Seeked', seek === undefined ? '' : `after ${format.wait(t - seek)}`);
        seek = undefined;
        break;
      case 'error':
        add(t, 'errors', event.fatal ? 'Fatal error' : 'Error', `${event.kind}: ${event.message}`, 'bad');
        break;
      case 'hidden':
        add(t, 'other', event.hidden ? 'Page hidden' : 'Page shown');
        break;
      default: {
        const name = NAMES[event.e];
        if (name) add(t, 'other', name, '', event.e === 'first_frame' ? 'good' : '');
      }
    }
  }
  return result;
}

const NAMES: Partial<Record<Event['e'], string>> = {
  ended: 'Ended',
  first_frame: 'First frame',
  manifest: 'Manifest read',
  pause: 'Pause',
  play: 'Play',
  playing: 'Playing',
  view_end: 'View ended',
  view_start: 'View started',
};

function request(event: RequestEvent): string {
  const what = [event.track, event.kind, event.rendition].filter(Boolean).join(' ');
  const at = event.media_ms === undefined ? '' : ` at ${format.position(event.media_ms)}`;
  const status = event.status === 0 ? 'no answer' : event.status >= 400 ? `HTTP ${event.status}` : '';
  const rate = throughput(event);
  const parts = [`${what}${at}`, status, `${format.bytes(event.bytes)} in ${format.wait(event.ms)}`, `first byte ${format.wait(event.ttfb_ms)}`];
  if (rate !== undefined) parts.push(format.bitrate(rate));
  return parts.filter(Boolean).join(' · ');
}

function hasFailed(event: RequestEvent): boolean {
  return !event.cancelled && (event.status === 0 || event.status >= 400);
}

/** Ends the last stretch, if it is open. */
function end(stretches: Stretch[], t: number, open: number): void {
  const last = stretches.at(-1);
  if (last?.toMs === open) last.toMs = t;
}
