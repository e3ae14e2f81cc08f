import type { Driver } from '../pkg/player_web.js';
import { DrmLink, drmSettings } from './drm-link.js';
import type { Settings } from './drm/settings.js';
import type { DrmErrorDetail } from './drm-options.js';
import { EarlyManifest } from './early.js';
import { HeadgateError } from './errors.js';
import { MediaLink } from './media-link.js';
import type {
  DriverEvent,
  ErrorDetail,
  FromDriver,
  LicenceStoredDetail,
  LimitDetail,
  LiveDetail,
  LoadedDetail,
  LimitsMessage,
  LoadMessage,
  MetadataDetail,
  PlaybackState,
  PreloadMessage,
  Rendition,
  RenditionDetail,
  ScanDetail,
  StateDetail,
  StatsDetail,
  ToDriver,
  Track,
  TracksDetail,
} from './messages.js';
import { recall, remember } from './network-memory.js';
import { driverOptions, type AbrOptions, type HeadgateOptions } from './options.js';
import { Signing } from './signing.js';
import { surroundings } from './surroundings.js';
import { TextTracks } from './text-tracks.js';
import { pageThumbnails, ThumbnailTrack, type Thumbnail } from './thumbnails.js';
import { languageName, metadataCue, textKind, withBytes } from './tracks.js';
import { Preparer, TransmuxerError, type PreparedMedia, type PrepareJob } from './transmux.js';
import { isLoaded, loadDriver } from './wasm.js';

/** The events of a {@link Headgate}, all of them `CustomEvent`s. */
export interface HeadgateEventMap {
  /** Playback has ended with an error. */
  error: CustomEvent<HeadgateError>;
  /** A licence was stored on this machine: keep its id for `drm.storedLicences`. */
  licencestored: CustomEvent<LicenceStoredDetail>;
  /** Other renditions may be chosen than before: the element's size, dropped frames, a limit of yours, … */
  limitchange: CustomEvent<LimitDetail>;
  /** The window of a live stream has moved. */
  live: CustomEvent<LiveDetail>;
  /** The manifest was read. */
  loaded: CustomEvent<LoadedDetail>;
  /**
   * Timed metadata: ID3 tags, events, date ranges. It is in text tracks of kind `metadata`, too, one for each source, whose label it is;
   * their cues have `type` and `value`.
   */
  metadata: CustomEvent<MetadataDetail>;
  /** Another rendition is fetched, or seen. */
  renditionchange: CustomEvent<RenditionDetail>;
  /** A fast-forward or rewind has begun, has changed its rate, or has ended. */
  scanchange: CustomEvent<ScanDetail>;
  statechange: CustomEvent<StateDetail>;
  /** At most every half second. */
  stats: CustomEvent<StatsDetail>;
  /** There are other tracks of sound and text than before, or another one is played. */
  tracks: CustomEvent<TracksDetail>;
  /** Something went wrong and playback goes on. */
  warning: CustomEvent<HeadgateError>;
}

/** Typed listeners. */
export interface Headgate {
  addEventListener<K extends keyof HeadgateEventMap>(
    type: K,
    listener: ((event: HeadgateEventMap[K]) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof HeadgateEventMap>(
    type: K,
    listener: ((event: HeadgateEventMap[K]) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** What to load, beside its URL. */
export type LoadOptions = Omit<LoadMessage, 'type' | 'url' | 'networkMemory'>;

/**
 * A player for any `<video>`.
 *
 * ```js
 * const player = new Headgate({ siteKey: 'demo', beaconUrl: 'https://collector.example/v1/beacons' });
 * player.attach(document.querySelector('video'));
 * player.load('https://cdn.example/master.m3u8');
 * ```
 */
export class Headgate extends EventTarget {
  /** Options for the next {@link load}. */
  options: HeadgateOptions;
  #link: MediaLink | undefined;
  #drm: DrmLink | undefined;
  #texts: TextTracks | undefined;
  #thumbnailTrack: ThumbnailTrack | undefined;
  #thumbnails: readonly Thumbnail[] = [];
  #signing = new Signing(
    (cause) => this.#emit('warning', new HeadgateError('signing', 'the token of signed URLs was not renewed', false, { cause })),
    () => this.#showThumbnails(),
  );
  /** Of the load that is on. */
  #preparer = new Preparer();
  #driver: Driver | undefined;
  /** The options of the driver that runs. */
  #driverOptions = '';
  /** What is asked for while the engine is on its way. */
  #wanted: LoadMessage | undefined;
  /** Its manifest. */
  #early: EarlyManifest | undefined;
  /** The last load is on its way to the engine: what is said after it must not overtake it. */
  #starting = Promise.resolve();
  /** What was asked for last to be preloaded. */
  #ahead: PreloadMessage | undefined;
  #generation = 0;
  #error: HeadgateError | null = null;
  #loaded: LoadedDetail | null = null;
  #rendition: Rendition | null = null;
  #scanRate = 0;
  #state: PlaybackState = 'idle';
  #stats: StatsDetail | null = null;
  #selected: string | null = null;
  #limit: LimitDetail | null = null;
  #storedLicences: readonly string[] = [];
  #live: LiveDetail | null = null;
  #tracks: TracksDetail | null = null;
  /** The text that the engine has on, as far as the element's text tracks know. */
  #text: string | null = null;
  /** The text track of each timed metadata. */
  #sources = new Map<number, string>();
  /** The text tracks are to be brought up to date. */
  #syncing = false;
  /** The limits that {@link setLimits} asked for. */
  #limits: LimitsMessage | undefined;
  #lastLog: string | undefined;

  constructor(options: HeadgateOptions = {}) {
    super();
    this.options = options;
  }

  /** The element it plays in. */
  get video(): HTMLVideoElement | null {
    return this.#link?.video ?? null;
  }

  /** The error that ended playback, until the next load. */
  get error(): HeadgateError | null {
    return this.#error;
  }

  /** `hls` or `dash`, once the manifest has been read. */
  get protocol(): LoadedDetail['protocol'] | null {
    return this.#loaded?.protocol ?? null;
  }

  /** The video ladder, lowest bitrate first; empty until the manifest has been read. */
  get renditions(): readonly Rendition[] {
    return this.#loaded?.renditions ?? [];
  }

  /** The rendition that the viewer sees. */
  get rendition(): Rendition | null {
    return this.#rendition;
  }

  /** The window of a live stream; `null` if it is none, or not known yet. */
  get live(): LiveDetail | null {
    return this.#live;
  }

  /** Tracks of sound to choose from; empty if there is no choice. */
  get audioTracks(): readonly Track[] {
    return this.#tracks?.audio ?? [];
  }

  /** Subtitles and captions to choose from; they are text tracks of the element, too. */
  get textTracks(): readonly Track[] {
    return this.#tracks?.text ?? [];
  }

  get state(): PlaybackState {
    return this.#state;
  }

  get stats(): StatsDetail | null {
    return this.#stats;
  }

  /** What keeps renditions from being chosen; `null` if nothing has yet. */
  get limit(): LimitDetail | null {
    return this.#limit;
  }

  /** Ids of the licences that this load has stored on this machine. */
  get storedLicences(): readonly string[] {
    return this.#storedLicences;
  }

  /** The rendition that {@link selectRendition} asked for; `null` while the engine chooses. */
  get selectedRendition(): string | null {
    return this.#selected;
  }

  /** Takes an element over. What it plays is replaced by the next {@link load}. */
  attach(video: HTMLVideoElement): void {
    if (this.#link?.video === video) return;
    if (this.#link) this.detach();
    const player = this;
    const send = (message: ToDriver) => this.#send(message);
    this.#link = new MediaLink(video, send);
    this.#drm = new DrmLink(video, {
      send,
      get request() {
        return player.options.request;
      },
      warn: (message, cause) => this.#emit('warning', new HeadgateError('drm', message, false, { cause })),
      fail: (error) => {
        send({ type: 'unload' });
        this.#fail(error);
      },
    });
    this.#texts = new TextTracks(video, this.#onTextWanted);
    this.#thumbnailTrack = new ThumbnailTrack(video);
  }

  /** Stops, and gives the element back empty. */
  detach(): void {
    this.unload();
    this.#ahead = undefined;
    this.#closeDriver();
    this.#texts?.close();
    this.#texts = undefined;
    this.#thumbnailTrack?.clear();
    this.#thumbnailTrack = undefined;
    this.#link?.close();
    this.#link = undefined;
    this.#drm?.close();
    this.#drm = undefined;
  }

  /** Loads an HLS playlist or a DASH MPD, in place of what was loaded before. */
  load(url: string | URL, options: LoadOptions = {}): void {
    if (!this.#link) throw new TypeError('Headgate: attach() a <video> before load()');
    this.#reset();
    this.#ahead = undefined;
    this.#link.begin();
    const thumbnails = options.thumbnails ?? pageThumbnails(this.#link.video);
    this.#wanted = { type: 'load', ...this.#absolute(url, { ...options, thumbnails }) };
    if (!isLoaded()) this.#early = new EarlyManifest(this.#wanted.url, this.options, (url, init) => this.#signing.fetch(url, init));
    this.#starting = this.#start(++this.#generation);
  }

  /**
   * Loads the beginning of what is played next: the manifest and the first segments, as soon as what is played has enough of its own. A
   * {@link load} of the same URL goes on from there; one of another URL drops it, as does `null`. One is kept at a time.
   */
  preload(url: string | URL | null, options: LoadOptions = {}): void {
    const message: PreloadMessage = { type: 'preload', ...(url !== null && this.#absolute(url, options)) };
    this.#ahead = message;
    void this.#startAhead(message);
  }

  /** Stops and ends the view; the element is left empty. What is preloaded stays. */
  unload(): void {
    this.#generation++;
    this.#wanted = undefined;
    this.#send({ type: 'unload' });
    this.#link?.empty();
    this.#reset();
  }

  /** Plays the rendition of this id, from the next segment on; `null` gives the choice back to the engine. */
  selectRendition(id: string | null): void {
    this.#selected = id;
    this.#send({ type: 'select', rendition: id });
  }

  /** Plays this track of sound from now on. */
  selectAudioTrack(id: string): void {
    this.#send({ type: 'select-track', kind: 'audio', track: id });
  }

  /** Shows these subtitles or captions from now on; `null` shows none. The same as setting the mode of the element's text track. */
  selectTextTrack(id: string | null): void {
    this.#send({ type: 'select-track', kind: 'text', track: id });
  }

  /**
   * The image that stands for a time: its absolute URL, with the part of it to show as a media fragment (`#xywh=160,0,160,90`). They are in
   * a text track of kind `metadata` and label `thumbnails`, too, where control bars look for them.
   */
  thumbnailAt(time: number): Thumbnail | null {
    const next = this.#thumbnails.findIndex(({ start }) => start > time);
    const found = this.#thumbnails.at(next === -1 ? -1 : next - 1);
    return next === 0 || !found || found.end <= time ? null : this.#signed(found);
  }

  /**
   * Fast-forwards at so many times the normal speed, or goes backwards if that is negative, as with 8 to 32: with single pictures of the
   * stream's I-frame playlist or trick-mode set, and nothing else is fetched. It ends with `scan(0)`, with a seek, and where there are no
   * more pictures; playback goes on from the one that is shown. Without such pictures there is a warning.
   */
  scan(rate: number): void {
    this.#send({ type: 'scan', rate });
  }

  /** How fast {@link scan} goes; 0 if it does not. */
  get scanRate(): number {
    return this.#scanRate;
  }

  /** Goes to where one watches live. Nothing happens if the stream is not live. */
  seekToLive(): void {
    if (this.#live && this.#link) this.#link.video.currentTime = this.#live.edge;
  }

  /** Limits the renditions from now on, in place of `options.abr`, for this load and the next ones; `null` or absent is none. */
  setLimits({ maxBandwidthKbps = null, maxHeight = null }: Pick<AbrOptions, 'maxBandwidthKbps' | 'maxHeight'>): void {
    this.#limits = { type: 'limits', maxBandwidthKbps, maxHeight };
    this.#send(this.#limits);
  }

  /** Gives the stored licences of this load back: the machine loses them, and the licence server is told. */
  releaseLicences(): void {
    this.#storedLicences = [];
    this.#send({ type: 'remove-licences' });
  }

  /**
   * The log of what went in and out of the engine, for `headgate-sim replay`, if the option `record` asked for one.
   * After {@link detach} it is the last one. It holds the URLs that were fetched.
   */
  exportLog(): string | undefined {
    return this.#driver ? (this.#driver.exportLog() ?? undefined) : this.#lastLog;
  }

  async #start(generation: number): Promise<void> {
    try {
      const [Driver, drm] = await Promise.all([loadDriver(this.options.wasm), drmSettings(this.options.drm)]);
      const link = this.#link;
      if (generation !== this.#generation || !this.#wanted || !link) return;
      this.#openDriver(Driver, drm);
      link.introduce();
      if (this.#limits) this.#send(this.#limits);
      const message = { ...this.#wanted, networkMemory: recall(this.options.storage) };
      this.#wanted = undefined;
      this.#send(message);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#early?.drop();
      this.#fail(error);
    }
  }

  async #startAhead(message: PreloadMessage): Promise<void> {
    try {
      await this.#starting;
      const Driver = await loadDriver(this.options.wasm);
      if (this.#ahead !== message || !(this.#driver ?? message.url)) return;
      // Other options count from the next load on.
      if (!this.#driver) {
        const drm = await drmSettings(this.options.drm);
        if (this.#ahead !== message || this.#driver) return;
        this.#openDriver(Driver, drm);
      }
      this.#send({ ...message, networkMemory: recall(this.options.storage) });
    } catch {
      // The load will say so.
    }
  }

  #openDriver(DriverClass: typeof Driver, drm: Settings | undefined): void {
    this.#drm?.configure(drm);
    const signing = this.options.signing && {
      fetch: (url: string, init: RequestInit) => this.#signing.fetch(url, init),
      mask: (url: string) => this.#signing.mask(url),
    };
    const options = { ...driverOptions(this.options, surroundings()), drm: drm?.engine, signing };
    const text = JSON.stringify(options);
    if (this.#driver && this.#driverOptions === text) return;
    this.#closeDriver();
    const receive = (message: FromDriver) => {
      if (this.#driver === driver) this.#receive(message);
    };
    const driver: Driver = new DriverClass(options, receive, (job: PrepareJob) => this.#prepare(job), (url: string, signal: AbortSignal) =>
      this.#early?.take(url, signal),
    );
    this.#driver = driver;
    this.#driverOptions = text;
  }

  async #prepare(job: PrepareJob): Promise<PreparedMedia> {
    const generation = this.#generation;
    try {
      return await this.#preparer.prepare(job);
    } catch (error) {
      // Without it no segment of the stream can be played.
      if (error instanceof TransmuxerError && generation === this.#generation) {
        this.#send({ type: 'unload' });
        this.#report({ kind: 'internal', fatal: true, message: error.message });
      }
      throw error;
    }
  }

  #closeDriver(): void {
    const driver = this.#driver;
    if (!driver) return;
    try {
      if (this.options.record) this.#lastLog = driver.exportLog() ?? undefined;
      driver.close();
    } catch {
      // It has failed before, and has said so then.
    }
    this.#driver = undefined;
    this.#drm?.end();
  }

  #send(message: ToDriver): void {
    try {
      this.#driver?.handle(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #receive(message: FromDriver): void {
    if (message.type === 'event') this.#announce(message.event);
    else if (message.type === 'remember') remember(this.options.storage, message);
    else if (message.type === 'thumbnails') {
      this.#thumbnails = message.thumbnails;
      this.#showThumbnails();
    } else if (message.type === 'cues') {
      this.#syncTexts();
      this.#texts?.apply(message);
    } else if (message.type === 'attach' || message.type === 'detach' || message.type === 'rate' || message.type === 'seek') this.#link?.apply(message);
    else this.#drm?.receive(message);
  }

  #showThumbnails(): void {
    void this.#thumbnailTrack?.set(this.#thumbnails.map((thumbnail) => this.#signed(thumbnail)));
  }

  /** The page fetches them itself. */
  #signed(thumbnail: Thumbnail): Thumbnail {
    return { ...thumbnail, url: this.#signing.sign(thumbnail.url) };
  }

  #announce({ type, ...detail }: DriverEvent): void {
    switch (type) {
      case 'error':
        return this.#report(detail as ErrorDetail);
      case 'licence-stored':
        this.#storedLicences = [...this.#storedLicences, (detail as LicenceStoredDetail).id];
        return this.#emit('licencestored', detail as LicenceStoredDetail);
      case 'limit':
        this.#limit = detail as LimitDetail;
        return this.#emit('limitchange', this.#limit);
      case 'live':
        this.#live = detail as LiveDetail;
        return this.#emit('live', this.#live);
      case 'loaded':
        this.#loaded = detail as LoadedDetail;
        return this.#emit('loaded', this.#loaded);
      case 'metadata':
        return this.#onMetadata(withBytes(detail as MetadataDetail));
      case 'rendition': {
        const rendition = detail as RenditionDetail;
        if (rendition.visible) this.#rendition = this.renditions.find(({ id }) => id === rendition.id) ?? null;
        return this.#emit('renditionchange', rendition);
      }
      case 'scan':
        this.#scanRate = (detail as ScanDetail).rate;
        return this.#emit('scanchange', detail as ScanDetail);
      case 'state':
        this.#state = (detail as StateDetail).state;
        return this.#emit('statechange', detail as StateDetail);
      case 'stats':
        this.#stats = detail as StatsDetail;
        return this.#emit('stats', this.#stats);
      case 'tracks':
        this.#tracks = detail as TracksDetail;
        if (!this.#syncing) {
          this.#syncing = true;
          // The last one of those that come together counts.
          queueMicrotask(() => this.#syncTexts());
        }
        return this.#emit('tracks', this.#tracks);
    }
  }

  #onMetadata(detail: MetadataDetail): void {
    const { change, key, metadata } = detail;
    if (change === 'known' && metadata) {
      const { source } = metadata;
      const track = `metadata ${source}`;
      this.#sources.set(key, track);
      this.#texts?.apply({ type: 'text-track', track, kind: 'metadata', label: source, language: '' });
      this.#texts?.apply({ type: 'cues', track, cues: [metadataCue(key, metadata)] });
    } else if (change === 'removed') {
      const track = this.#sources.get(key);
      if (track) this.#texts?.apply({ type: 'remove-cues', track, ids: [`${key}`] });
      this.#sources.delete(key);
    }
    this.#emit('metadata', detail);
  }

  /** Makes the element's text tracks those of the engine. */
  #syncTexts(): void {
    const texts = this.#texts;
    if (!this.#syncing || !texts) return;
    this.#syncing = false;
    const before = new Set(texts.ids);
    const { textTracks } = this;
    for (const id of before) {
      if (!textTracks.some((track) => track.id === id)) texts.apply({ type: 'text-track-gone', track: id });
    }
    for (const track of textTracks) {
      const { id, label, language, selected } = track;
      const kind = textKind(track);
      texts.apply({ type: 'text-track', track: id, kind, label: label || languageName(language) || id, language, default: selected });
    }
    const selected = textTracks.find((track) => track.selected)?.id ?? null;
    const changed = selected !== this.#text;
    this.#text = selected;
    // A new track is shown, or is not, as the viewer has chosen before.
    if (changed && (selected === null || before.has(selected))) texts.show(selected);
  }

  /** The viewer, or the page, has chosen among the element's text tracks. The engine reads one at a time. */
  #onTextWanted = (wanted: string[], showing: string[]): void => {
    if (this.#syncing) this.#syncTexts();
    const candidates = showing.length > 0 ? showing : wanted;
    const fresh = showing.find((id) => id !== this.#text);
    const current = candidates.find((id) => id === this.#text);
    const choice = fresh ?? current ?? candidates[0] ?? null;
    if (choice === this.#text) return;
    this.#text = choice;
    // One is shown at a time, too.
    if (showing.length > 1) this.#texts?.show(choice);
    this.#send({ type: 'select-track', kind: 'text', track: choice });
  };

  #report({ kind, fatal, message, drm }: ErrorDetail): void {
    this.#raise(new HeadgateError(kind, message, fatal, drm && { drm: this.#keyError(drm) }));
  }

  #raise(error: HeadgateError): void {
    if (!error.fatal) return this.#emit('warning', error);
    if (this.#error) return;
    // A broken engine is not used again.
    if (error.kind === 'internal') this.#driverOptions = '';
    this.#error = error;
    this.#state = 'failed';
    this.#emit('error', error);
  }

  /** With the name that others know a session by. */
  #keyError({ session, ...detail }: ErrorDetail['drm'] & {}): DrmErrorDetail {
    return { ...detail, sessionId: session === null ? null : (this.#drm?.sessionId(session) ?? null) };
  }

  /** An exception on the way to the engine or out of it. */
  #fail(cause: unknown): void {
    if (cause instanceof HeadgateError) return this.#raise(cause);
    const message = cause instanceof Error ? cause.message : String(cause);
    this.#report({ kind: 'internal', fatal: true, message });
  }

  #emit<K extends keyof HeadgateEventMap>(type: K, detail: HeadgateEventMap[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #reset(): void {
    this.#early?.drop();
    this.#early = undefined;
    this.#error = null;
    this.#loaded = null;
    this.#rendition = null;
    this.#scanRate = 0;
    this.#stats = null;
    this.#selected = null;
    this.#limit = null;
    this.#storedLicences = [];
    this.#live = null;
    this.#tracks = null;
    this.#text = null;
    this.#syncing = false;
    this.#sources.clear();
    this.#texts?.clear();
    this.#signing.rest();
    this.#thumbnails = [];
    this.#thumbnailTrack?.clear();
    this.#preparer.close();
    this.#preparer = new Preparer(this.options.transmuxWasm);
    this.#state = 'idle';
  }

  /** What to load, with absolute URLs, without their tokens. */
  #absolute(url: string | URL, options: LoadOptions): LoadOptions & { url: string } {
    const resolve = (url: string | URL) => this.#signing.adopt(new URL(url, document.baseURI).href, this.options.signing);
    return { ...options, url: resolve(url), thumbnails: options.thumbnails && resolve(options.thumbnails) };
  }
}
