// Numbers as people read them. What is unknown is an en dash.

export const NONE = '–';

type Maybe = number | null | undefined;

export function count(value: Maybe): string {
  if (value == null) return NONE;
  if (value >= 100_000) return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
  return new Intl.NumberFormat('en', { maximumFractionDigits: value < 10 && value % 1 ? 1 : 0 }).format(value);
}

/** A number of views. */
export function views(n: number): string {
  return `${count(n)} ${n === 1 ? 'view' : 'views'}`;
}

/** A time to wait: 420 ms, 1.34 s, 12.3 s, 2 min 5 s. */
export function wait(ms: Maybe): string {
  if (ms == null) return NONE;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  return duration(ms);
}

/** A stretch of time: 0 s, 42 s, 2 min 05 s, 3 h 07 min. */
export function duration(ms: Maybe): string {
  if (ms == null) return NONE;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${pad(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`;
}

/** A place in a view or a video: 0:07.4, 12:30.0, 1:02:03.0. */
export function position(ms: Maybe): string {
  if (ms == null) return NONE;
  const tenths = Math.round(ms / 100);
  const s = Math.floor(tenths / 10);
  const minutes = Math.floor(s / 60);
  const rest = `${pad(s % 60)}.${tenths % 10}`;
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${rest}`;
}

export function bitrate(kbps: Maybe): string {
  if (kbps == null) return NONE;
  if (kbps < 999.5) return `${Math.round(kbps)} kbps`;
  const mbps = kbps / 1000;
  return `${mbps < 9.995 ? mbps.toFixed(2) : mbps < 99.95 ? mbps.toFixed(1) : Math.round(mbps)} Mbps`;
}

/** A ratio in percent: small ones keep a digit that is not 0. */
export function percent(ratio: Maybe): string {
  if (ratio == null) return NONE;
  const value = ratio * 100;
  if (value === 0) return '0%';
  if (value < 0.01) return '< 0.01%';
  return `${value < 0.995 ? value.toFixed(2) : value < 9.95 ? value.toFixed(1) : Math.round(value)}%`;
}

export function bytes(value: Maybe): string {
  if (value == null) return NONE;
  if (value < 1000) return `${value} B`;
  if (value < 999_500) return `${Math.round(value / 1000)} kB`;
  if (value < 999_500_000) return `${(value / 1e6).toFixed(1)} MB`;
  return `${(value / 1e9).toFixed(2)} GB`;
}

/** Round numbers, as on an axis: without digits and units that say nothing. */
export function short(text: string): string {
  const trimmed = text.replace(/(\.\d*?)0+(?!\d)/, '$1').replace(/\.(?!\d)/, '');
  return /^0(?![.:\d])/.test(trimmed) ? '0' : trimmed;
}

/** Times are those of this machine's zone, or UTC. */
let utc = false;

export function useUtc(on: boolean): void {
  utc = on;
}

export function zoneName(): string {
  return utc ? 'UTC' : 'local time';
}

/** The parts of a time in the zone that is shown. */
export function calendar(ms: number): { year: number; month: number; day: number; hour: number; minute: number; second: number } {
  const date = new Date(ms);
  return utc
    ? { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate(), hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds() }
    : { year: date.getFullYear(), month: date.getMonth(), day: date.getDate(), hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds() };
}

/** The time of day; before today, with the day. */
export function time(ms: number, nowMs: number): string {
  const { hour, minute, second } = calendar(ms);
  const clock = `${pad(hour)}:${pad(minute)}:${pad(second)}`;
  return day(ms) === day(nowMs) ? clock : `${day(ms)} ${clock}`;
}

/** Day and minute: May 17, 20:05. */
export function moment(ms: number): string {
  const { hour, minute } = calendar(ms);
  return `${day(ms)}, ${pad(hour)}:${pad(minute)}`;
}

export function day(ms: number): string {
  const at = calendar(ms);
  return `${MONTHS[at.month]} ${at.day}`;
}

/** A stretch of time: May 17, 20:00 – 22:30. */
export function stretch(fromMs: number, toMs: number): string {
  const end = calendar(toMs);
  return `${moment(fromMs)} – ${day(fromMs) === day(toMs) ? `${pad(end.hour)}:${pad(end.minute)}` : moment(toMs)}`;
}

/** How long ago, roughly: 40 s, 5 min, 3 h, 2 d. */
export function age(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} d`;
}

export function pad(number: number): string {
  return String(number).padStart(2, '0');
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
