// Thumbnails for seek bars, as Media Chrome and others look for them: a text track of kind `metadata` and label `thumbnails`, each cue of
// which is the URL of an image with the part of it to show, in pixels: `#xywh=160,0,160,90`.

import { CueTrack } from './text-tracks.js';

/** All thumbnails, in place of those before. */
export interface ThumbnailsMessage {
  type: 'thumbnails';
  thumbnails: Thumbnail[];
}

/** Times are seconds. */
export interface Thumbnail {
  start: number;
  end: number;
  /** Absolute, with the part of the image in pixels, in percent, or none if all of it is meant. */
  url: string;
}

interface Size {
  width: number;
  height: number;
}

const LABEL = 'thumbnails';
const PIXELS = /#xywh=(pixel:)?\d+,\d+,\d+,\d+$/;
const PERCENT = /#xywh=percent:([\d.]+),([\d.]+),([\d.]+),([\d.]+)$/;

/** The URL of the thumbnails that the page has put beside the video: `<track kind="metadata" label="thumbnails" src="…">`. */
export function pageThumbnails(video: Element): string | undefined {
  const track = video.querySelector<HTMLTrackElement>(`track[kind="metadata"][label="${LABEL}"]`);
  return track?.getAttribute('src') ? track.src : undefined;
}

/** The thumbnails of an element. */
export class ThumbnailTrack {
  #video: HTMLVideoElement;
  #measure: (url: string) => Promise<Size>;
  #track: CueTrack | undefined;
  #generation = 0;

  /** @param measure how large an image is */
  constructor(video: HTMLVideoElement, measure: (url: string) => Promise<Size> = measureImage) {
    this.#video = video;
    this.#measure = measure;
  }

  /** Shows these instead of those before; not where the page has some itself. */
  async set(thumbnails: Thumbnail[]): Promise<void> {
    const generation = ++this.#generation;
    const unknown = thumbnails.find(({ url }) => !PIXELS.test(url));
    // They come from one encoder: what one is large, all are.
    const size = unknown && (await this.#measure(unknown.url).catch(() => undefined));
    if (generation !== this.#generation) return;
    this.#track?.close();
    this.#track = undefined;
    if (thumbnails.length === 0 || this.#hasOwn()) return;
    const track = new CueTrack(this.#video, { kind: 'metadata', label: LABEL, language: '' });
    track.element.default = true;
    track.track.mode = 'hidden';
    this.#track = track;
    for (const { start, end, url } of thumbnails) {
      const text = inPixels(url, size);
      // Without the part to show, Media Chrome fails.
      if (text) track.add(`${start}`, new VTTCue(start, end, text));
    }
  }

  /** Takes them away. */
  clear(): void {
    this.#generation++;
    this.#track?.close();
    this.#track = undefined;
  }

  #hasOwn(): boolean {
    return Array.from(this.#video.textTracks).some(({ kind, label }) => kind === 'metadata' && label === LABEL);
  }
}

/** The URL with the part of its image in pixels; `undefined` if the size must be known for that and is not. */
export function inPixels(url: string, size: Size | undefined): string | undefined {
  if (PIXELS.test(url)) return url.replace('#xywh=pixel:', '#xywh=');
  if (!size?.width || !size.height) return undefined;
  const [image = ''] = url.split('#', 1);
  const part = PERCENT.exec(url)?.slice(1).map(Number) ?? [0, 0, 100, 100];
  const pixels = part.map((percent, i) => Math.round((percent * (i % 2 ? size.height : size.width)) / 100));
  return `${image}#xywh=${pixels.join(',')}`;
}

async function measureImage(url: string): Promise<Size> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight };
}
