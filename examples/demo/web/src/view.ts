// What this page sees of the view, from the element's own events and not from the engine: start-up and rebuffering.

export class View {
  /** From the wish to play to the first frame, ms. */
  startupMs: number | null = null;
  rebufferCount = 0;
  #intentAt: number | null = null;
  #rebufferMs = 0;
  #stalledAt: number | null = null;

  /** Follows an element; a new source is a new view. */
  constructor(video: HTMLVideoElement) {
    const now = () => performance.now();
    video.addEventListener('emptied', () => this.#begin());
    video.addEventListener('play', () => {
      if (this.startupMs === null) this.#intentAt ??= now();
    });
    video.addEventListener('playing', () => {
      if (this.#intentAt !== null) this.startupMs ??= now() - this.#intentAt;
      this.#intentAt = null;
      this.#resume(now());
    });
    video.addEventListener('waiting', () => {
      // A seek waits, too, but nothing has run dry.
      if (this.startupMs === null || video.seeking || video.paused) return;
      this.rebufferCount++;
      this.#stalledAt = now();
    });
    for (const type of ['pause', 'seeking', 'ended']) video.addEventListener(type, () => this.#resume(now()));
    // With `autoplay` there may be no `play` event before the first frame.
    video.addEventListener('loadstart', () => {
      if (video.autoplay || !video.paused) this.#intentAt ??= now();
    });
  }

  get rebufferMs(): number {
    return this.#rebufferMs + (this.#stalledAt === null ? 0 : performance.now() - this.#stalledAt);
  }

  #begin(): void {
    this.startupMs = null;
    this.rebufferCount = 0;
    this.#intentAt = null;
    this.#rebufferMs = 0;
    this.#stalledAt = null;
  }

  #resume(now: number): void {
    if (this.#stalledAt !== null) this.#rebufferMs += now - this.#stalledAt;
    this.#stalledAt = null;
  }
}
