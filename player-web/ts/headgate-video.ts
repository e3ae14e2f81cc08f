import { CustomVideoElement } from 'custom-media-element';
import { MediaTracksMixin } from 'media-tracks';
import type { HeadgateError } from './errors.js';
import { Headgate, type HeadgateEventMap } from './headgate.js';
import type { AbrOptions, HeadgateOptions } from './options.js';

/** The element's own events; those of `HTMLMediaElement` come beside them, `error` included. */
export type HeadgateVideoEventMap = {
  [K in Exclude<keyof HeadgateEventMap, 'error'> as `headgate-${K}`]: HeadgateEventMap[K];
};

/** Read when something is loaded; a change counts from the next load on. */
const OPTION_ATTRIBUTES = [
  'abr',
  'beacon-url',
  'record',
  'site-key',
  'start-time',
  'video-id',
  'video-title',
  'viewer-id',
  'wasm-url',
] as const;

const FORWARDED = ['limitchange', 'loaded', 'renditionchange', 'statechange', 'stats', 'warning'] as const;

/** A base class of our own, for the mixin writes into the prototype it is given. */
class TracksBase extends CustomVideoElement {}

/**
 * `<headgate-video src="….m3u8">`: a `<video>` that plays HLS and DASH.
 *
 * It has the attributes, properties, methods and events of `HTMLVideoElement`, and `videoRenditions` as Media Chrome reads
 * them. Further attributes: `abr` (an algorithm's name), `beacon-url`, `site-key`, `viewer-id`, `video-id`, `video-title`,
 * `start-time` (seconds), `record`, `wasm-url`; everything else is in {@link config}.
 */
export class HeadgateVideoElement extends MediaTracksMixin(TracksBase) {
  static override getTemplateHTML(attributes: Record<string, string>): string {
    // The source is ours to load. Preloading is, too: what reaches the inner element is wanted.
    const { src, preload, ...rest } = attributes;
    return CustomVideoElement.getTemplateHTML(rest);
  }

  static override get observedAttributes(): string[] {
    return [...CustomVideoElement.observedAttributes, ...OPTION_ATTRIBUTES];
  }

  #config: HeadgateOptions = {};
  #player = new Headgate();
  /** A source waits for a reason to be loaded: `preload="none"`. */
  #deferred = false;
  #scheduled = false;
  /** The rendition lists are being filled by us. */
  #filling = false;

  constructor() {
    super();
    if (Object.hasOwn(this, 'config')) {
      // Set before the element was defined, it would hide the accessor.
      this.#config = this.config;
      Reflect.deleteProperty(this, 'config');
    }
    const player = this.#player;
    player.addEventListener('error', () => this.dispatchEvent(new Event('error')));
    player.addEventListener('loaded', () => this.#fillRenditions());
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
    if ((name === 'preload' || name === 'autoplay') && this.#deferred && !this.#mayWait()) this.#loadNow();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.videoRenditions.addEventListener('change', this.#onSelection);
    if (!this.#player.video) this.#schedule();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    // Moved within the document, it comes back before this.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.videoRenditions.removeEventListener('change', this.#onSelection);
      this.#clearRenditions();
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
    this.#clearRenditions();
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.isConnected || !this.src) return;
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
    const text = (name: (typeof OPTION_ATTRIBUTES)[number]) => this.getAttribute(name) ?? undefined;
    const { config } = this;
    const algorithm = text('abr') as AbrOptions['algorithm'];
    this.#player.options = {
      ...config,
      abr: algorithm ? { ...config.abr, algorithm } : config.abr,
      beaconUrl: absolute(text('beacon-url') ?? config.beaconUrl),
      siteKey: text('site-key') ?? config.siteKey,
      viewerId: text('viewer-id') ?? config.viewerId,
      record: this.hasAttribute('record') || config.record,
      wasm: text('wasm-url') ?? config.wasm,
    };
    const startTime = Number.parseFloat(text('start-time') ?? '');
    this.#player.load(this.src, {
      startTime: Number.isFinite(startTime) ? startTime : this.nativeEl.currentTime || undefined,
      videoId: text('video-id'),
      videoTitle: text('video-title'),
    });
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

  #clearRenditions(): void {
    this.#filling = true;
    for (const track of [...this.videoTracks]) this.removeVideoTrack(track);
    this.#filling = false;
  }

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

function absolute(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url, document.baseURI).href;
}
