// The requests of a part of a view, one a line: what was asked for, when, how long it waited and how long it took.

import { fillOnce, h, setText, svg } from './dom';
import * as format from './format';
import { throughput, type Timeline } from './timeline';

const MAX_ROWS = 120;
/** The longest stretch in which bars stand at their times. */
const APART_MS = 60_000;
const WIDTH = 1000;
const HEIGHT = 14;

type Request = Timeline['requests'][number];

export class Waterfall {
  readonly element: HTMLElement;
  #body = h('tbody');
  #range = h('th', { scope: 'col', class: 'bar-head' });
  #table: HTMLTableElement;
  #note = h('p', { class: 'note card-note', hidden: true });
  #point: (seconds: number) => void;

  constructor(point: (seconds: number) => void) {
    this.#point = point;
    this.#table = h(
      'table',
      { class: 'waterfall' },
      h('caption', { class: 'hidden' }, 'Requests'),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'number' }, 'Start'), h('th', { scope: 'col' }, 'Request'), h('th', { scope: 'col', class: 'number' }, 'Status'), h('th', { scope: 'col', class: 'number' }, 'Size'), h('th', { scope: 'col', class: 'number' }, 'First byte'), h('th', { scope: 'col', class: 'number' }, 'Time'), h('th', { scope: 'col', class: 'number' }, 'Rate'), this.#range)),
      this.#body,
    );
    this.element = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Requests' }, this.#table, this.#note);
  }

  /** The requests that were under way between two times, ms. */
  update(data: Timeline, fromMs: number, toMs: number): void {
    const inside = data.requests.filter((one) => one.toMs >= fromMs && one.fromMs <= toMs).sort((a, b) => a.fromMs - b.fromMs);
    const shown = inside.slice(0, MAX_ROWS);
    // In a long stretch bars at their times would be dots: then they begin together, and their lengths compare.
    const apart = toMs - fromMs <= APART_MS;
    const longest = Math.max(...shown.map(({ event }) => event.ms), 1);
    setText(this.#range, apart ? `${format.position(fromMs)} – ${format.position(toMs)}` : `0 – ${format.wait(longest)}`);
    this.#range.title = apart ? '' : 'Zoom in to less than a minute to see when each was under way';
    const from = (one: Request) => (apart ? fromMs : one.fromMs);
    const to = (one: Request) => (apart ? toMs : one.fromMs + longest);
    fillOnce(this.#body, [shown, fromMs, toMs], () => shown.map((one) => this.#row(one, from(one), to(one))));
    this.#table.hidden = shown.length === 0;
    this.#note.hidden = shown.length === inside.length && shown.length > 0;
    setText(this.#note, shown.length === 0 ? 'No request in this part of the view.' : `The first ${MAX_ROWS} of ${inside.length} requests. Zoom in to see the others.`);
  }

  #row(request: Request, fromMs: number, toMs: number): HTMLElement {
    const { event, failed } = request;
    const what = [event.track, event.kind].filter(Boolean).join(' ');
    const at = event.media_ms === undefined ? '' : format.position(event.media_ms);
    const status = event.cancelled ? 'cancelled' : event.status === 0 ? 'no answer' : String(event.status);
    const rate = throughput(event);
    return h(
      'tr',
      { class: failed ? 'bad' : event.cancelled ? 'warn' : undefined, mouseenter: () => this.#point(request.fromMs / 1000) },
      h('td', { class: 'number muted' }, format.position(request.fromMs)),
      h('th', { scope: 'row' }, what, h('span', { class: 'muted' }, [event.rendition, at].filter(Boolean).map((part) => ` ${part}`).join(' ·'))),
      h('td', { class: 'number' }, status),
      h('td', { class: 'number' }, format.bytes(event.bytes)),
      h('td', { class: 'number' }, format.wait(event.ttfb_ms)),
      h('td', { class: 'number' }, format.wait(event.ms)),
      h('td', { class: 'number' }, rate === undefined ? '–' : format.bitrate(rate)),
      h('td', { class: 'bar-cell' }, bar(request, fromMs, toMs)),
    );
  }
}

/** Waiting for the first byte is pale, receiving is full. */
function bar({ fromMs, toMs, event, failed }: Request, windowFromMs: number, windowToMs: number): SVGElement {
  const x = (ms: number) => Math.min(Math.max(((ms - windowFromMs) / Math.max(windowToMs - windowFromMs, 1)) * WIDTH, 0), WIDTH);
  const [start, first, end] = [x(fromMs), x(fromMs + event.ttfb_ms), x(toMs)];
  const tone = failed ? 'failed' : event.cancelled ? 'cancelled' : event.track === 'video' || event.track === 'audio' ? event.track : 'other';
  const part = (name: string, from: number, to: number) => svg('rect', { class: name, x: from, y: 2, width: Math.max(to - from, 2), height: HEIGHT - 4 });
  return svg('svg', { class: `bar ${tone}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, part('wait', start, first), part('receive', first, end));
}

export function requestLegend(): HTMLElement {
  const names = [
    ['blue', 'video'],
    ['violet', 'audio'],
    ['slate', 'other'],
    ['amber', 'cancelled'],
    ['red', 'failed'],
  ] as const;
  return h('div', { class: 'legends states' }, ...names.map(([tone, name]) => h('span', { class: 'legend' }, h('i', { class: `swatch bars ${tone}`, 'aria-hidden': 'true' }), name)), h('span', { class: 'legend' }, 'pale: waiting for the first byte'));
}
