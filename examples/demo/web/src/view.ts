// What this page sees of the view, from the element's own events and not from the engine: start-up and rebuffering.

export class View {
  /** From the wish to play to the first frame, ms. */
  startupMs: number | null = null;
  rebufferCount = 0;
  #intentAt: number | null = null;
  #rebufferMs = 0;
  #stalledAt: number | null = null;

  constructor(video: HTMLVideoElement) {
    const now = () => performance.now();
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
  }

  /** A source is loaded: a new view. */
  begin(wantsToPlay: boolean): void {
    this.startupMs = null;
    this.rebufferCount = 0;
    this.#rebufferMs = 0;
    this.#stalledAt = null;
    this.#intentAt = wantsToPlay ? performance.now() : null;
  }

  get rebufferMs(): number {
    return this.#rebufferMs + (this.#stalledAt === null ? 0 : performance.now() - this.#stalledAt);
  }

  #resume(now: number): void {
    if (this.#stalledAt !== null) this.#rebufferMs += now - this.#stalledAt;
    this.#stalledAt = null;
  }
}
