// The live panel: state, rendition, buffer, estimate, ladder, events.

import type { HeadgateVideoElement } from 'headgate/element';
import type { View } from './view.js';

const MOST_EVENTS = 200;
/** The bar is full here, seconds. */
const FULL_BUFFER_S = 12;

/** A figure, and its unit or a note in small print. */
type Figure = readonly [figure: string, note: string];

const NONE: Figure = ['–', ''];

export class Panel {
  readonly #video: HeadgateVideoElement;
  #loadedAt = performance.now();
  /** Id of the rendition that is fetched, and of the one that is seen. */
  #fetched = '';
  #seen = '';
  #switches = 0;

  constructor(video: HeadgateVideoElement) {
    this.#video = video;
    video.addEventListener('headgate-loaded', ({ detail }) => {
      const { protocol, renditions, warnings } = detail;
      this.log('manifest', `${protocol.toUpperCase()}, ${renditions.length} renditions`);
      for (const warning of warnings) this.log('warning', warning, true);
      this.#showLadder();
    });
    video.addEventListener('headgate-statechange', ({ detail: { state, cause } }) => {
      this.log('state', cause ? `${state} (${cause})` : state);
      const shown = element('state');
      shown.textContent = state;
      shown.dataset.state = state;
    });
    video.addEventListener('headgate-renditionchange', ({ detail: { id, visible } }) => {
      this.log(visible ? 'seen' : 'fetch', this.#name(id));
      if (visible && this.#seen && this.#seen !== id) this.#switches++;
      if (visible) this.#seen = id;
      else this.#fetched = id;
      this.#markLadder();
    });
    video.addEventListener('headgate-warning', ({ detail }) => this.log('warning', `${detail.kind}: ${detail.message}`, true));
    video.addEventListener('error', () => this.log('error', video.error?.message ?? 'unknown', true));
    for (const type of ['seeking', 'ended']) video.addEventListener(type, () => this.log('media', type));
  }

  /** Media ahead of the playhead, s. */
  get bufferS(): number {
    const { buffered, currentTime } = this.#video;
    for (let i = 0; i < buffered.length; i++) {
      // The first frame may begin a little late.
      if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) return buffered.end(i) - currentTime;
    }
    return 0;
  }

  /** A source is loaded: a new view. */
  begin(url: string): void {
    this.#loadedAt = performance.now();
    this.#fetched = '';
    this.#seen = '';
    this.#switches = 0;
    element('ladder').replaceChildren();
    this.log('load', url.split('/').at(-1) ?? url);
  }

  /** Shows the figures of this moment. */
  update(view: View): void {
    const { rendition, stats } = this.#video.api;
    const { bufferS } = this;
    show('rendition', rendition ? [this.#name(rendition.id), rate(rendition.bitrate).join(' ')] : NONE);
    show('estimate', stats?.throughput ? rate(stats.throughput) : NONE);
    show('buffer', [bufferS.toFixed(1), 's']);
    element('buffer-bar').style.inlineSize = `${Math.min(100, (bufferS / FULL_BUFFER_S) * 100)}%`;
    show('startup', view.startupMs === null ? NONE : [String(Math.round(view.startupMs)), 'ms']);
    const { rebufferCount, rebufferMs } = view;
    show('rebuffering', [String(rebufferCount), rebufferCount ? `× · ${(rebufferMs / 1000).toFixed(1)} s` : '']);
    show('switches', [String(this.#switches), '']);
  }

  log(kind: string, text: string, bad = false): void {
    const list = element('log');
    const item = document.createElement('li');
    item.classList.toggle('bad', bad);
    const at = document.createElement('time');
    at.textContent = `${((performance.now() - this.#loadedAt) / 1000).toFixed(1)} s`;
    const what = document.createElement('b');
    what.textContent = kind;
    const detail = document.createElement('span');
    detail.textContent = text;
    item.append(at, what, detail);
    list.prepend(item);
    while (list.childElementCount > MOST_EVENTS) list.lastElementChild?.remove();
  }


  #showLadder(): void {
    const { renditions } = this.#video.api;
    const highest = Math.max(...renditions.map(({ bitrate }) => bitrate));
    const rungs = [...renditions].reverse().map(({ id, bitrate }) => {
      const rung = document.createElement('li');
      rung.dataset.id = id;
      const name = document.createElement('b');
      name.textContent = this.#name(id);
      const bar = document.createElement('i');
      bar.style.setProperty('--share', String(bitrate / highest));
      const figure = document.createElement('span');
      figure.textContent = rate(bitrate).join(' ');
      const note = document.createElement('em');
      rung.append(name, bar, figure, note);
      return rung;
    });
    element('ladder').replaceChildren(...rungs);
    this.#markLadder();
  }

  #markLadder(): void {
    for (const rung of element('ladder').children as HTMLCollectionOf<HTMLElement>) {
      const seen = rung.dataset.id === this.#seen;
      const fetched = rung.dataset.id === this.#fetched;
      rung.classList.toggle('seen', seen);
      rung.classList.toggle('fetched', fetched);
      const note = rung.querySelector('em');
      if (note) note.textContent = seen ? 'seen' : fetched ? 'next' : '';
    }
  }

  #name(id: string): string {
    const rendition = this.#video.api.renditions.find((candidate) => candidate.id === id);
    return rendition?.height ? `${rendition.height}p` : id;
  }
}

function rate(bps: number): Figure {
  return bps >= 1e6 ? [(bps / 1e6).toFixed(1), 'Mbit/s'] : [String(Math.round(bps / 1e3)), 'kbit/s'];
}

function show(id: string, [figure, note]: Figure): void {
  const small = document.createElement('small');
  small.textContent = note;
  element(id).replaceChildren(figure, ...(note ? [' ', small] : []));
}

function element(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement;
}
