import { CustomVideoElement } from 'custom-media-element';
import { MediaTracksMixin } from 'media-tracks';
import type { HeadgateError } from './errors.js';
import type { DrmOptions } from './drm-options.js';
import { Headgate, type HeadgateEventMap } from './headgate.js';
import type { LiveDetail, TracksDetail } from './messages.js';
import type { AbrOptions, HeadgateOptions } from './options.js';
import { audioKind, languageName } from './tracks.js';

/** The element's own events; those of `HTMLMediaElement` come beside them, `error` included. */
export type HeadgateVideoEventMap = {
  [K in Exclude<keyof HeadgateEventMap, 'error'> as `headgate-${K}`]: HeadgateEventMap[K];
};

/** Read when something is loaded; a change counts from the next load on. */
const OPTION_ATTRIBUTES = [
  'abr',
  'beacon-url',
  'licence-servers',
  'record',
  'site-key',
  'start-time',
  'thumbnails',
  'transmux-wasm-url',
  'video-id',
  'video-title',
  'viewer-id',
  'wasm-url',
] as const;

const NEXT = 'next-src';

const FORWARDED = ['licencestored', 'limitchange', 'live', 'loaded', 'metadata', 'renditionchange', 'scanchange', 'statechange', 'stats', 'tracks', 'warning'] as const;

/** A live stream in which one can go back further than this is one that viewers go back in. */
const DVR_S = 60;

/** A base class of our own, for the mixin writes into the prototype it is given. */
class TracksBase extends CustomVideoElement {}

/**
 * `<headgate-video src="….m3u8">`: a `<video>` that plays HLS and DASH.
 *
 * It has the attributes, properties, methods and events of `HTMLVideoElement`, and as Media Chrome reads them `videoRenditions`,
 * `audioTracks`, `streamType`, `targetLiveWindow` and `liveEdgeStart`. Further attributes: `abr` (an algorithm's name), `beacon-url`,
 * `licence-servers` (`com.widevine.alpha=https://wv.example/ org.w3.clearkey=https://ck.example/`), `site-key`, `viewer-id`, `video-id`, `video-title`, `start-time` (seconds), `thumbnails` (URL of a WebVTT file), `next-src` (what is to be
 * preloaded: once it is set as `src`, it goes on from there), `record`, `wasm-url`, `transmux-wasm-url`; everything else is in {@link config}.
 */
export class HeadgateVideoElement extends MediaTracksMixin(TracksBase) {
  static override getTemplateHTML(attributes: Record<string, string>): string {
    // The source is ours to load. Preloading is, too: what reaches the inner element is wanted.
    const { src, preload, ...rest } = attributes;
    return CustomVideoElement.getTemplateHTML(rest);
  }

  static override get observedAttributes(): string[] {
    return [...CustomVideoElement.observedAttributes, ...OPTION_ATTRIBUTES, NEXT];
  }

  #config: HeadgateOptions = {};
  #drm: DrmOptions | undefined;
  #player = new Headgate();
  /** A source waits for a reason to be loaded: `preload="none"`. */
  #deferred = false;
  #scheduled = false;
  /** The lists of renditions and tracks are being filled by us. */
  #filling = false;
  #streamType: 'live' | 'on-demand' | 'unknown' = 'unknown';
  #targetLiveWindow = Number.NaN;

  constructor() {
    super();
    for (const name of ['config', 'drm'] as const) {
      if (!Object.hasOwn(this, name)) continue;
      // Set before the element was defined, it would hide the accessor.
      const value = this[name];
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
    const player = this.#player;
    player.addEventListener('error', () => this.dispatchEvent(new Event('error')));
    player.addEventListener('live', ({ detail }) => this.#onLive(detail));
    player.addEventListener('loaded', ({ detail: { live } }) => {
      this.#setStream(live ? 'live' : 'on-demand', live ? 0 : Number.NaN);
      this.#fillRenditions();
    });
    player.addEventListener('tracks', ({ detail }) => this.#fillAudioTracks(detail));
    for (const type of FORWARDED) {
      player.addEventListener(type, ({ detail }: CustomEvent) => {
        this.dispatchEvent(new CustomEvent(`headgate-${type}`, { detail }));
      });
    }
  }

  /** Options beyond the attributes, which win. Read when something is loaded. */
  get config(): HeadgateOptions {
    return this.#config;
  }

  set config(options: HeadgateOptions) {
    this.#config = options;
  }

  /** Protected streams: in place of `config.drm`. Read when something is loaded; for the simple case there is `licence-servers`. */
  get drm(): DrmOptions | undefined {
    return this.#drm ?? this.#config.drm;
  }

  set drm(options: DrmOptions | undefined) {
    this.#drm = options;
  }

  /** The engine's own API. */
  get api(): Headgate {
    return this.#player;
  }

  /** The error that ended playback. */
  override get error(): MediaError | null {
    const error: HeadgateError | null = this.#player.error;
    return error as MediaError | null;
  }

  /** The URL that was loaded, not the object URL behind it. */
  override get currentSrc(): string {
    return this.src ? new URL(this.src, document.baseURI).href : '';
  }

  /** `live`, `on-demand`, or `unknown` until the manifest has been read; event `streamtypechange`. */
  get streamType(): 'live' | 'on-demand' | 'unknown' {
    return this.#streamType;
  }

  /**
   * Infinity for a live stream that one can go back in by more than a minute, 0 for other live streams, NaN for what is not live; event
   * `targetlivewindowchange`.
   */
  get targetLiveWindow(): number {
    return this.#targetLiveWindow;
  }

  /** From here on the playhead counts as live, seconds; NaN for what is not live. */
  get liveEdgeStart(): number {
    const { live } = this.#player;
    return live ? live.edge - Math.max(1, (live.end - live.edge) / 2) : Number.NaN;
  }

  /** Of a live stream up to where one watches live: behind that, there is not enough to play. */
  override get seekable(): TimeRanges {
    const native = super.seekable;
    const { live } = this.#player;
    if (!live) return native;
    const { start, edge } = live;
    const at = (time: number) => (index: number) => (index === 0 ? time : native.start(native.length));
    return { length: 1, start: at(Math.max(0, start)), end: at(edge) };
  }

  override play(): Promise<void> {
    if (this.#deferred) this.#loadNow();
    // Before the source is attached, the inner element is empty: it remembers that it shall play.
    return this.nativeEl.play();
  }

  override load(): void {
    this.#schedule();
  }

  override attributeChangedCallback(name: string, before?: string | null, after?: string | null): void {
    if (name !== 'src' && name !== 'preload') super.attributeChangedCallback(name, before, after);
    if (name === 'src' && before !== after) this.#schedule();
    // What is set along with it counts first.
    if (name === NEXT && before !== after) queueMicrotask(() => this.#preloadNext());
    if ((name === 'preload' || name === 'autoplay') && this.#deferred && !this.#mayWait()) this.#loadNow();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.videoRenditions.addEventListener('change', this.#onSelection);
    this.audioTracks.addEventListener('change', this.#onAudioTrack);
    if (!this.#player.video) this.#schedule();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    // Moved within the document, it comes back before this.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.videoRenditions.removeEventListener('change', this.#onSelection);
      this.audioTracks.removeEventListener('change', this.#onAudioTrack);
      this.#clear();
      this.#player.detach();
    });
  }

  override handleEvent(event: Event): void {
    // The engine judges the inner element's errors: some it recovers from, the others come back as ours.
    if (event.type !== 'error') super.handleEvent(event);
  }

  /** Empties the element at once, as `<video>` does it; loads once the attributes set along with `src` are there. */
  #schedule(): void {
    this.#deferred = false;
    if (!this.isConnected) return;
    this.#player.attach(this.nativeEl);
    this.#player.unload();
    this.#clear();
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.isConnected) return;
      if (!this.src) return this.#preloadNext();
      if (this.#mayWait()) this.#deferred = true;
      else this.#loadNow();
    });
  }

  #mayWait(): boolean {
    return this.getAttribute('preload') === 'none' && !this.autoplay && this.nativeEl.paused;
  }

  #loadNow(): void {
    this.#deferred = false;
    if (!this.src || !this.isConnected) return;
    this.#player.options = this.#options();
    const text = (name: (typeof OPTION_ATTRIBUTES)[number]) => this.getAttribute(name) ?? undefined;
    const startTime = Number.parseFloat(text('start-time') ?? '');
    this.#player.load(this.src, {
      startTime: Number.isFinite(startTime) ? startTime : this.nativeEl.currentTime || undefined,
      thumbnails: text('thumbnails'),
      videoId: text('video-id'),
      videoTitle: text('video-title'),
    });
    this.#preloadNext();
  }

  /** Unless what is to be preloaded waits for its turn, or is what is loaded. */
  #preloadNext(): void {
    const url = this.getAttribute(NEXT);
    if (!this.isConnected || this.#scheduled || this.#deferred || (url && url === this.src)) return;
    if (!this.src) this.#player.options = this.#options();
    this.#player.preload(url || null);
  }

  #options(): HeadgateOptions {
    const text = (name: (typeof OPTION_ATTRIBUTES)[number]) => this.getAttribute(name) ?? undefined;
    const { config } = this;
    const algorithm = text('abr') as AbrOptions['algorithm'];
    const servers = text('licence-servers');
    return {
      ...config,
      drm: servers ? { ...this.drm, servers: { ...this.drm?.servers, ...pairs(servers) } } : this.drm,
      abr: algorithm ? { ...config.abr, algorithm } : config.abr,
      beaconUrl: absolute(text('beacon-url') ?? config.beaconUrl),
      siteKey: text('site-key') ?? config.siteKey,
      viewerId: text('viewer-id') ?? config.viewerId,
      record: this.hasAttribute('record') || config.record,
      wasm: text('wasm-url') ?? config.wasm,
      transmuxWasm: text('transmux-wasm-url') ?? config.transmuxWasm,
    };
  }

  #fillRenditions(): void {
    this.#filling = true;
    const track = this.addVideoTrack('main');
    track.selected = true;
    for (const { id, width, height, codecs, bitrate, frameRate } of this.#player.renditions) {
      const rendition = track.addRendition('', width || undefined, height || undefined, codecs, bitrate, frameRate || undefined);
      rendition.id = id;
    }
    this.#filling = false;
  }

  /** Makes the list of tracks that of the engine. */
  #fillAudioTracks({ audio }: TracksDetail): void {
    this.#filling = true;
    for (const track of [...this.audioTracks]) {
      if (!audio.some(({ id }) => id === track.id)) this.removeAudioTrack(track);
    }
    audio.forEach((info, index) => {
      const { id, label, language, selected } = info;
      let track = this.audioTracks.getTrackById(id);
      if (!track) {
        track = this.addAudioTrack(audioKind(info, index === 0), label || languageName(language) || id, language);
        track.id = id;
      }
      track.enabled = selected;
    });
    this.#filling = false;
  }

  #clear(): void {
    this.#filling = true;
    for (const track of [...this.videoTracks]) this.removeVideoTrack(track);
    for (const track of [...this.audioTracks]) this.removeAudioTrack(track);
    this.#filling = false;
    this.#setStream('unknown', Number.NaN);
  }

  #onLive({ start, edge }: LiveDetail): void {
    // Once it has been long, it stays so: a control bar should not change its kind.
    if (edge - start > DVR_S) this.#setStream('live', Infinity);
  }

  #setStream(streamType: 'live' | 'on-demand' | 'unknown', targetLiveWindow: number): void {
    const changed = streamType !== this.#streamType;
    const moved = !Object.is(targetLiveWindow, this.#targetLiveWindow);
    this.#streamType = streamType;
    this.#targetLiveWindow = targetLiveWindow;
    if (changed) this.dispatchEvent(new Event('streamtypechange'));
    if (moved) this.dispatchEvent(new Event('targetlivewindowchange'));
  }

  /** One is played at a time: of those that are enabled, the one that was not. */
  #onAudioTrack = (): void => {
    if (this.#filling) return;
    const current = this.#player.audioTracks.find(({ selected }) => selected)?.id;
    const chosen = [...this.audioTracks].find(({ enabled, id }) => enabled && id !== current);
    if (chosen) this.#player.selectAudioTrack(chosen.id);
  };

  #onSelection = (): void => {
    if (this.#filling) return;
    const selected = [...this.videoRenditions].find((rendition) => rendition.selected);
    const id = selected?.id ?? null;
    if (id !== this.#player.selectedRendition) this.#player.selectRendition(id);
  };
}

export interface HeadgateVideoElement {
  addEventListener<K extends keyof HeadgateVideoEventMap>(
    type: K,
    listener: (this: HeadgateVideoElement, event: HeadgateVideoEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener<K extends keyof HTMLVideoElementEventMap>(
    type: K,
    listener: (this: HTMLVideoElement, event: HTMLVideoElementEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** `org.w3.clearkey=https://… com.widevine.alpha=https://…` */
function pairs(text: string): Record<string, string> {
  const list = text.trim().split(/\s+/).map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)] as const);
  return Object.fromEntries(list);
}

function absolute(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url, document.baseURI).href;
}
