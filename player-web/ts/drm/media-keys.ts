// The `MediaKeys` of an element. Making them may take a second, so they are kept from one load to the next.

import { within } from './wait.js';

/** Making them may have a module downloaded; then the next one has its turn. */
const PATIENCE_MS = 30_000;

const elements = new WeakMap<HTMLMediaElement, ElementKeys>();

export function keysOf(video: HTMLMediaElement): ElementKeys {
  let keys = elements.get(video);
  if (!keys) elements.set(video, (keys = new ElementKeys(video)));
  return keys;
}

export class ElementKeys {
  #video: HTMLMediaElement;
  #keys: MediaKeys | undefined;
  /** The access that they were made of. */
  #made = '';
  /** Browsers stumble over two of these calls at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(video: HTMLMediaElement) {
    this.#video = video;
  }

  /** Sets `MediaKeys` of this access: those that there are, if they are of the same one. */
  attach(access: MediaKeySystemAccess): Promise<MediaKeys> {
    return this.#inTurn(async () => {
      const wanted = `${access.keySystem} ${JSON.stringify(access.getConfiguration())}`;
      const video = this.#video;
      if (!this.#keys || wanted !== this.#made) {
        // Other ones than ours, or those that could not be taken off. Where that cannot be done now, the next call says so.
        if (video.mediaKeys) await video.setMediaKeys(null).catch(() => undefined);
        this.#keys = undefined;
        this.#keys = await within(PATIENCE_MS, access.createMediaKeys());
        this.#made = wanted;
      }
      if (video.mediaKeys !== this.#keys) await within(PATIENCE_MS, video.setMediaKeys(this.#keys));
      return this.#keys;
    });
  }

  /** That it takes none is no error. */
  async certify(keys: Promise<MediaKeys>, certificate: Uint8Array<ArrayBuffer>): Promise<void> {
    const made = await keys;
    await this.#inTurn(() => within(PATIENCE_MS, made.setServerCertificate(certificate)));
  }

  /** Takes them off the element, but keeps them. */
  detach(): void {
    // It refuses while it has a source: then they stay, and do no harm.
    void this.#inTurn(async () => this.#video.mediaKeys && this.#video.setMediaKeys(null)).catch(() => undefined);
  }

  /** They have broken down: the next load gets others. */
  spoil(): void {
    this.#made = '';
  }

  /** The element is somebody else's from now on. */
  forget(): void {
    this.detach();
    void this.#inTurn(async () => (this.#keys = undefined));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
