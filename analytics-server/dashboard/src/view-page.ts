// One view: its numbers, its timeline, its requests and events.

import { ApiError, get, type OneView, type View } from './api';
import { Choice, fillOnce, h, setClass, setText } from './dom';
import * as format from './format';
import { isTyping } from './keyboard';
import { type Context, empty, type Page, Tile } from './page';
import { link, type State } from './state';
import { type Group, type Line, lines, type Timeline, timeline } from './timeline';
import { type Part, stateLegend, ViewCharts } from './view-charts';
import { stateOf, titleOf } from './views-table';
import { requestLegend, Waterfall } from './waterfall';

const GROUPS = [
  ['all', 'All'],
  ['requests', 'Requests'],
  ['switches', 'Decisions'],
  ['stalls', 'Stalls'],
  ['seeks', 'Seeks'],
  ['errors', 'Errors'],
] as const;
type ShownGroup = (typeof GROUPS)[number][0];

const MAX_LINES = 400;
const LIVE_MS = 3_000;
/** A view that is over may get late beacons, but seldom. */
const OVER_MS = 30_000;
const MIN_ZOOM_S = 2;

export class ViewPage implements Page {
  readonly element = h('div', { class: 'view stack' });
  readonly uses = { range: false, filters: false };
  title = 'View · Headgate analytics';
  #context: Context;
  #state!: State;
  #timeline: Timeline | undefined;
  #zoom: Part | undefined;
  #lines: Line[] = [];
  #events = 0;
  #shown: ShownGroup = 'all';
  #everything = false;
  /** The event that keys have walked to. */
  #at = -1;

  #back = h('a', { class: 'back', 'data-link': true }, '← All views');
  #heading = h('h1');
  #badge = h('span');
  #about = h('p', { class: 'muted about' });
  #failure = h('p', { class: 'banner bad', role: 'alert', hidden: true });
  #tiles = {
    startup: new Tile('Startup time', 'From play intent to the first frame'),
    watched: new Tile('Watched', 'Startup, playing, rebuffering and seeking'),
    rebuffer: new Tile('Rebuffering', 'Time and ratio: rebuffering ÷ (playing + rebuffering)'),
    bitrate: new Tile('Average bitrate', 'Weighted by media time'),
    frames: new Tile('Dropped frames'),
    requests: new Tile('Requests'),
  };
  #charts = new ViewCharts((part) => this.#setZoom(part));
  #waterfall = new Waterfall((seconds) => this.#charts.point(seconds));
  #part = h('span', { class: 'note' });
  #unzoom = h('button', { type: 'button', class: 'quiet', hidden: true, click: () => this.#setZoom(undefined) }, 'Show the whole view');
  #groups = new Choice<ShownGroup>('Which events', GROUPS, (value) => this.#own({ events: value === 'all' ? '' : value }));
  #list = h('ol', { class: 'events', tabindex: '0', 'aria-label': 'Events' });
  #allLines = h('button', { type: 'button', class: 'more', hidden: true, click: () => {
    this.#everything = true;
    this.#fillLines();
  } }, 'Show all events');
  #noLines = h('p', { class: 'note card-note', hidden: true }, 'No such event in this part of the view.');
  #facts = h('dl', { class: 'facts' });
  #content = h(
    'div',
    { class: 'stack', hidden: true },
    h('div', { class: 'title' }, h('div', { class: 'title-line' }, this.#heading, this.#badge), this.#about),
    this.#failure,
    h('section', { class: 'tiles', 'aria-label': 'Key numbers' }, ...Object.values(this.#tiles).map((tile) => tile.element)),
    h(
      'section',
      { class: 'stack', 'aria-labelledby': 'timeline' },
      h('div', { class: 'heading' }, h('h2', { id: 'timeline' }, 'Timeline'), stateLegend(), h('span', { class: 'heading-end' }, this.#part, this.#unzoom)),
      h('div', { class: 'card timeline' }, ...this.#charts.elements),
    ),
    h(
      'section',
      { class: 'stack', 'aria-labelledby': 'waterfall' },
      h('div', { class: 'heading' }, h('h2', { id: 'waterfall' }, 'Requests'), requestLegend()),
      h('div', { class: 'card table-card' }, this.#waterfall.element),
    ),
    h(
      'div',
      { class: 'columns' },
      h(
        'section',
        { class: 'stack', 'aria-labelledby': 'events' },
        h('div', { class: 'heading' }, h('h2', { id: 'events' }, 'Events'), this.#groups.element),
        h('div', { class: 'card table-card' }, this.#list, this.#noLines),
        this.#allLines,
      ),
      h('section', { class: 'stack', 'aria-labelledby': 'facts' }, h('div', { class: 'heading' }, h('h2', { id: 'facts' }, 'Details')), h('div', { class: 'card' }, this.#facts)),
    ),
  );
  #missing = empty('There is no such view', h('p', {}, 'It may not have arrived yet: a view can be looked at a few seconds after its first beacon. This page keeps looking.'));

  constructor(context: Context) {
    this.#context = context;
    this.#missing.hidden = true;
    this.element.append(h('nav', { 'aria-label': 'Breadcrumb' }, this.#back), this.#content, this.#missing);
    document.addEventListener('keydown', this.#onKey);
  }

  show(state: State): void {
    this.#state = state;
    this.#back.href = link(state, 'views');
    this.#zoom = readZoom(state.own.get('zoom'));
    const shown = GROUPS.find(([name]) => name === state.own.get('events'))?.[0] ?? 'all';
    if (shown !== this.#shown) this.#everything = false;
    this.#shown = shown;
    this.#groups.value = shown;
    this.#unzoom.hidden = this.#zoom === undefined;
    this.#charts.zoom(this.#zoom);
    if (this.#timeline) this.#fillPart();
    if (this.#lines.length > 0) this.#fillLines();
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    let one: OneView;
    try {
      one = await get<OneView>(`/v1/views/${encodeURIComponent(this.#state.id)}`, { site: this.#state.site }, { signal, maxAgeMs: 1_500 });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      this.#missing.hidden = false;
      this.#content.hidden = true;
      return LIVE_MS;
    }
    this.#missing.hidden = true;
    this.#content.hidden = false;
    const { view, events, now_ms } = one;
    this.title = `${titleOf(view)} · Headgate analytics`;
    this.#fillHead(view, now_ms);
    this.#timeline = timeline(view, events);
    this.#charts.update(this.#timeline);
    this.#charts.zoom(this.#zoom);
    this.#fillPart();
    if (events.length !== this.#events) {
      this.#events = events.length;
      this.#lines = lines(events);
      this.#fillLines();
    }
    this.#fillFacts(one);
    return view.phase === 'live' || view.phase === 'silent' ? LIVE_MS : view.phase === 'closed' ? OVER_MS : undefined;
  }

  destroy(): void {
    document.removeEventListener('keydown', this.#onKey);
    this.#charts.destroy();
  }

  #fillHead(view: View, nowMs: number): void {
    const state = stateOf(view);
    setText(this.#heading, titleOf(view));
    setText(this.#badge, state.text);
    setClass(this.#badge, `badge ${state.tone}`);
    const who = [view.browser, view.os, view.device].filter(Boolean).join(', ');
    const what = [view.protocol.toUpperCase(), view.stream_type === 'live' ? 'live' : view.stream_type && 'on demand'].filter(Boolean).join(' ');
    const from = [view.country, view.network].filter(Boolean).join(', ');
    setText(this.#about, [`began ${format.time(view.start_ms, nowMs)}`, what, who, from, view.page_host && `on ${view.page_host}`].filter(Boolean).join(' · '));
    this.#failure.hidden = view.fatal === null;
    setText(this.#failure, view.fatal_message ? `${view.fatal}: ${view.fatal_message}` : (view.fatal ?? ''));
    const { startup, watched, rebuffer, bitrate, frames, requests } = this.#tiles;
    const never = view.startup_ms === null && view.play_intent;
    startup.update(never ? 'never' : format.wait(view.startup_ms), [never ? `waited ${format.wait(view.waited_ms)}` : view.play_intent ? 'play intent to first frame' : 'play was not asked for']);
    watched.update(view.startup_ms === null ? format.NONE : format.duration(view.watched_ms), [`${format.duration(view.played_ms)} playing`, view.paused_ms > 0 ? `${format.duration(view.paused_ms)} paused` : '']);
    const interruptions = view.rebuffer_count === 1 ? '1 interruption' : `${format.count(view.rebuffer_count)} interruptions`;
    rebuffer.update(view.startup_ms === null ? format.NONE : format.wait(view.rebuffer_ms), [interruptions, format.percent(view.rebuffer_ratio)], view.rebuffer_count > 0 ? 'warn' : '');
    bitrate.update(format.bitrate(view.avg_bitrate_kbps), [`switched ${view.switches_up}× up`, `${view.switches_down}× down`]);
    frames.update(format.count(view.dropped_frames), [`of ${format.count(view.decoded_frames)} decoded`]);
    requests.update(format.count(view.requests), [`${view.requests_failed} failed`, `${view.requests_cancelled} cancelled`, format.bytes(view.bytes)]);
  }

  /** The part that is looked at. */
  #fillPart(): void {
    const length = this.#timeline?.lengthMs ?? 0;
    const [from, to] = this.#zoom ?? [0, length / 1000];
    setText(this.#part, this.#zoom ? `${format.position(from * 1000)} – ${format.position(to * 1000)}` : 'Drag, or press + to zoom');
    if (this.#timeline) this.#waterfall.update(this.#timeline, from * 1000, Math.min(to * 1000, length));
  }

  #chosenLines(): Line[] {
    const [from, to] = this.#zoom ?? [0, Number.POSITIVE_INFINITY];
    return this.#lines.filter(({ group, t }) => (this.#shown === 'all' || group === (this.#shown as Group)) && t >= from * 1000 && t <= to * 1000);
  }

  #fillLines(): void {
    const chosen = this.#chosenLines();
    const visible = this.#everything ? chosen : chosen.slice(0, MAX_LINES);
    const scrolled = this.#list.scrollTop;
    this.#list.replaceChildren(...visible.map((line) => this.#line(line)));
    this.#list.scrollTop = scrolled;
    this.#at = Math.min(this.#at, visible.length - 1);
    this.#list.hidden = visible.length === 0;
    this.#noLines.hidden = visible.length > 0;
    this.#allLines.hidden = visible.length === chosen.length;
    setText(this.#allLines, `Show all ${chosen.length} events`);
  }

  #line(line: Line): HTMLElement {
    const element = h(
      'li',
      { class: line.tone || undefined },
      h('span', { class: 'at' }, format.position(line.t)),
      h('span', { class: `dot ${line.group}`, 'aria-hidden': 'true' }),
      h('span', { class: 'what' }, h('b', {}, line.name), line.text ? ` ${line.text}` : ''),
    );
    element.addEventListener('mouseenter', () => this.#charts.point(line.t / 1000));
    return element;
  }

  #fillFacts({ view, events_truncated }: OneView): void {
    const ladder = view.ladder.map((rung) => `${rung.height ? `${rung.height}p` : rung.id} ${format.bitrate(rung.bandwidth_kbps)}`).join(', ');
    const facts: [string, string][] = [
      ['Source', view.source],
      ['Video', [view.video_id, view.duration_ms ? format.duration(view.duration_ms) : ''].filter(Boolean).join(' · ')],
      ['Ladder', ladder],
      ['Player', view.player],
      ['ABR', view.abr],
      ['Media from', view.cdn_host],
      ['Site', view.site],
      ['Viewer', view.viewer_id],
      ['View', view.view_id],
      ['Session', view.session_id],
      ['Beacons', `${view.beacons} of ${view.max_seq + 1}${events_truncated ? '; some events are left out' : ''}`],
      ['Clock', Math.abs(view.clock_skew_ms) < 1000 ? 'right' : `${format.wait(Math.abs(view.clock_skew_ms))} ${view.clock_skew_ms < 0 ? 'ahead' : 'behind'}`],
    ];
    const known = facts.filter(([, text]) => text);
    fillOnce(this.#facts, known, () => known.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
  }

  #own(change: Record<string, string>): void {
    const own = new URLSearchParams(this.#state.own);
    for (const [name, value] of Object.entries(change)) {
      if (value) own.set(name, value);
      else own.delete(name);
    }
    this.#context.go({ ...this.#state, own }, true);
  }

  #setZoom(part: Part | undefined): void {
    const length = (this.#timeline?.lengthMs ?? 0) / 1000;
    const fitted = part && fit(part, length);
    this.#own({ zoom: fitted ? fitted.map((s) => Math.round(s * 1000)).join('-') : '' });
  }

  #onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !this.#timeline) return;
    // A list or a table that has the focus scrolls by itself; a chart reads its values.
    const inside = event.target instanceof Element && event.target.closest('[tabindex="0"]') !== null;
    const length = this.#timeline.lengthMs / 1000;
    const [from, to] = this.#zoom ?? [0, length];
    const [middle, half] = [(from + to) / 2, (to - from) / 2];
    const move = (by: number): void => this.#setZoom([from + by, to + by]);
    const commands: Record<string, () => void> = {
      '+': () => this.#setZoom([middle - half / 2, middle + half / 2]),
      '=': () => this.#setZoom([middle - half / 2, middle + half / 2]),
      '-': () => this.#setZoom([middle - half * 2, middle + half * 2]),
      '0': () => this.#setZoom(undefined),
      j: () => this.#walk(this.#at + 1),
      k: () => this.#walk(this.#at - 1),
      n: () => this.#next(),
    };
    if (!inside && this.#zoom) Object.assign(commands, { ArrowLeft: () => move(-half / 2), ArrowRight: () => move(half / 2) });
    if (this.#zoom) commands.Escape = () => this.#setZoom(undefined);
    const command = commands[event.key];
    if (!command) return;
    event.preventDefault();
    command();
  };

  /** To an event of the list, and with the cursor to its time. */
  #walk(to: number): void {
    const line = this.#chosenLines()[to];
    const element = this.#list.children[to];
    if (!line || !element) return;
    this.#list.children[this.#at]?.removeAttribute('aria-current');
    this.#at = to;
    element.setAttribute('aria-current', 'true');
    element.scrollIntoView({ block: 'nearest' });
    this.#charts.point(line.t / 1000);
  }

  /** To the next stall or error; after the last one, to the first. */
  #next(): void {
    const chosen = this.#chosenLines();
    const isTrouble = (line: Line): boolean => line.tone === 'bad';
    const after = chosen.findIndex((line, at) => at > this.#at && isTrouble(line));
    this.#walk(after >= 0 ? after : chosen.findIndex(isTrouble));
  }
}

/** Within the view, and not too short; all of it is no part. */
function fit([from, to]: Part, length: number): Part | undefined {
  const size = Math.max(to - from, MIN_ZOOM_S);
  if (size >= length) return undefined;
  const start = Math.min(Math.max(from, 0), length - size);
  return [start, start + size];
}

function readZoom(text: string | null): Part | undefined {
  const [, from, to] = /^(\d{1,12})-(\d{1,12})$/.exec(text ?? '') ?? [];
  const part: Part = [Number(from) / 1000, Number(to) / 1000];
  return part[1] > part[0] ? part : undefined;
}
