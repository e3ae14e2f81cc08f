// The only code that touches the media element for the engine: tells its state, does what the driver says.

import type { AttachMessage, DetachMessage, HostMessage, MediaMessage, RateMessage, SeekMessage, ToDriver } from './messages.js';

/** All that changes what the engine wants to know. */
const MEDIA_EVENTS = [
  'canplay',
  'canplaythrough',
  'emptied',
  'ended',
  'error',
  'loadeddata',
  'loadedmetadata',
  'pause',
  'play',
  'playing',
  'ratechange',
  'seeked',
  'seeking',
  'timeupdate',
  'waiting',
];

/** `timeupdate` stops while nothing is decoded, and that is when the engine must keep looking. */
const POLL_MS = 250;

const MAX_ATTACH_ATTEMPTS = 10;

/** Initialization data of keys that is remembered, to be told once. What is longer than 64 KB no browser takes. */
const MAX_INIT_DATA = 64;
const MAX_INIT_DATA_BYTES = 1 << 16;
/** Its forms that the engine knows. */
const INIT_DATA_TYPES = ['cenc', 'keyids', 'sinf', 'skd', 'webm'];

export class MediaLink {
  readonly video: HTMLVideoElement;
  #send: (message: ToDriver) => void;
  #stop = new AbortController();
  #resize: ResizeObserver | undefined;
  #poll: ReturnType<typeof setInterval> | undefined;
  /** It has the `autoplay` attribute and will play as soon as it can: it only looks paused. */
  #aboutToPlay = false;
  #attached = false;
  #attaching: ReturnType<typeof setTimeout> | undefined;
  /** The engine has taken the source away from under a playing element, to give it another one. */
  #resume = false;
  #size = { width: 0, height: 0 };
  /** What the present source has said of keys. */
  #initData = new Set<string>();

  constructor(video: HTMLVideoElement, send: (message: ToDriver) => void) {
    this.video = video;
    this.#send = send;
    const { signal } = this.#stop;
    for (const type of MEDIA_EVENTS) video.addEventListener(type, this.#onMedia, { signal });
    video.addEventListener('encrypted', this.#onEncrypted, { signal });
    video.addEventListener('waitingforkey', () => this.#send({ type: 'drm', event: 'waiting-for-key' }), { signal });
    document.addEventListener('visibilitychange', this.#onHost, { signal });
    addEventListener('pageshow', this.#onHost, { signal });
    addEventListener('pagehide', this.#onPageHide, { signal });
    addEventListener('online', this.#onHost, { signal });
    addEventListener('offline', this.#onHost, { signal });
    connection()?.addEventListener('change', this.#onHost, { signal });
    if (typeof ResizeObserver === 'function') {
      this.#resize = new ResizeObserver(this.#onResize);
      this.#resize.observe(video);
    }
  }

  /** The application is about to load something: the element is emptied, as a new `src` does it. */
  begin(): void {
    this.empty();
    this.#aboutToPlay = this.video.autoplay;
  }

  /** The application wants nothing more to be played. */
  empty(): void {
    this.#detach();
    this.#resume = false;
    this.#aboutToPlay = false;
  }

  /** Tells everything, for a driver that knows nothing yet. */
  introduce(): void {
    this.#onHost();
    this.#tellMedia();
  }

  apply(message: AttachMessage | DetachMessage | RateMessage | SeekMessage): void {
    if (message.type === 'attach') this.#attach(message);
    else if (message.type === 'seek') this.video.currentTime = message.currentTime;
    else if (message.type === 'rate') this.video.playbackRate = message.rate;
    else {
      this.#resume = this.#attached && !this.video.paused && !this.video.ended;
      this.#detach();
    }
  }

  close(): void {
    this.#stop.abort();
    this.#resize?.disconnect();
    clearInterval(this.#poll);
    this.#poll = undefined;
    this.#detach();
  }

  #attach(message: AttachMessage, attempt = 0): void {
    const { video } = this;
    this.#attached = true;
    // Still letting go of what it had (see #detach): until it is empty, a new source would revoke a play() that was meant
    // for it. A task or two later it is.
    if (video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE && attempt < MAX_ATTACH_ATTEMPTS) {
      this.#attaching = setTimeout(() => this.#attach(message, attempt + 1));
      return;
    }
    this.#attaching = undefined;
    if (message.managed) video.disableRemotePlayback = true;
    if (message.url !== undefined) video.src = message.url;
    else video.srcObject = message.handle ?? null;
    if (this.#resume) {
      this.#resume = false;
      // Rejected only if the viewer was quicker to pause it or to load something else.
      video.play().catch(() => undefined);
    }
  }

  #detach(): void {
    const { video } = this;
    clearTimeout(this.#attaching);
    // Whatever it plays goes, also what it had before us.
    if (!this.#attached && !video.getAttribute('src') && !video.srcObject) return;
    this.#attached = false;
    this.#initData.clear();
    video.removeAttribute('src');
    if (video.srcObject) video.srcObject = null;
    video.load();
  }

  #onMedia = (event: Event): void => {
    const { video } = this;
    const blocked = event.type === 'canplaythrough' && video.paused;
    if (!video.paused || event.type === 'pause' || blocked) this.#aboutToPlay = false;
    this.#tellMedia();
    const running = !video.paused && !video.ended;
    if (running && this.#poll === undefined) this.#poll = setInterval(this.#tellMedia, POLL_MS);
    if (!running && this.#poll !== undefined) {
      clearInterval(this.#poll);
      this.#poll = undefined;
    }
  };

  /** Each source buffer says it, and each segment once more. */
  #onEncrypted = ({ initData, initDataType }: MediaEncryptedEvent): void => {
    if (!initData || initData.byteLength > MAX_INIT_DATA_BYTES || !INIT_DATA_TYPES.includes(initDataType)) return;
    const bytes = new Uint8Array(initData.slice(0));
    const known = `${initDataType} ${bytes.join()}`;
    if (this.#initData.has(known)) return;
    const [oldest] = this.#initData;
    if (this.#initData.size >= MAX_INIT_DATA && oldest !== undefined) this.#initData.delete(oldest);
    this.#initData.add(known);
    this.#send({ type: 'drm', event: 'encrypted', initDataType, bytes });
  };

  #tellMedia = (): void => {
    const { video } = this;
    const frames = video.getVideoPlaybackQuality?.();
    const message: MediaMessage = {
      type: 'media',
      currentTime: video.currentTime,
      paused: video.paused && !this.#aboutToPlay,
      seeking: video.seeking,
      ended: video.ended,
      // What could play, and is not yet allowed to, is not playing.
      readyState: this.#aboutToPlay ? Math.min(video.readyState, HTMLMediaElement.HAVE_CURRENT_DATA) : video.readyState,
      playbackRate: video.playbackRate,
      decodedFrames: frames?.totalVideoFrames ?? 0,
      droppedFrames: frames?.droppedVideoFrames ?? 0,
      error: video.error?.code ?? null,
    };
    this.#send(message);
  };

  #onResize = (entries: ResizeObserverEntry[]): void => {
    const { width, height } = entries[entries.length - 1]?.contentRect ?? { width: 0, height: 0 };
    this.#size = { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio) };
    this.#onHost();
  };

  #onHost = (): void => this.#tellHost(document.visibilityState === 'hidden');

  #onPageHide = (event: PageTransitionEvent): void => {
    this.#tellHost(true);
    // A page that is kept may come back, and the view with it.
    if (!event.persisted) this.#send({ type: 'unload' });
  };

  #tellHost(hidden: boolean): void {
    const message: HostMessage = {
      type: 'host',
      hidden,
      ...this.#size,
      saveData: connection()?.saveData === true,
      offline: navigator.onLine === false,
    };
    this.#send(message);
  }
}

/** Of what it says only the viewer's own wish is used: its measures of the network mislead. */
function connection(): (EventTarget & { saveData?: boolean }) | undefined {
  return (navigator as { connection?: EventTarget & { saveData?: boolean } }).connection;
}
