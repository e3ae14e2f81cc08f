// Subtitles, captions and timed metadata as text tracks of the element: what the driver says becomes cues, and what the viewer chooses is
// told. The tracks are `<track>` elements, because those of `addTextTrack()` can never be taken away again.

import { styleCues } from './cue-styles.js';

/** A text track is there, or has changed its label. */
export interface TextTrackMessage {
  type: 'text-track';
  /** Names it in other messages. */
  track: string;
  kind: 'captions' | 'metadata' | 'subtitles';
  label: string;
  /** BCP 47; empty if not known. */
  language: string;
  /** To be shown unless the viewer has chosen otherwise. */
  default?: boolean;
}

/** A text track is gone. */
export interface TextTrackGoneMessage {
  type: 'text-track-gone';
  track: string;
}

/**
 * More cues, in any order. Of metadata, one with an `id` takes the place of the one that had it. Others that are there already are not
 * added twice; one that goes on, with the same id and text, where the last one ended lengthens that.
 */
export interface CuesMessage {
  type: 'cues';
  track: string;
  cues: Cue[];
}

/** Cues to take away: those named, or else those that lie within a time; without either, all. */
export interface RemoveCuesMessage {
  type: 'remove-cues';
  track: string;
  ids?: string[];
  start?: number;
  end?: number;
}

/** Times are seconds. */
export interface Cue {
  id?: string;
  start: number;
  /** `null` if it goes on. */
  end: number | null;
  /** As in WebVTT: `line:10% align:start`. */
  settings?: string;
  /** With the markup of WebVTT. */
  text: string;
  region?: Region;
  /** Of metadata: what it is of, and what it says, as properties `type` and `value` of the cue. */
  metadata?: { type: string; value: unknown };
}

/** Percent, but for the lines. */
export interface Region {
  id: string;
  width: number;
  lines: number;
  regionAnchor: [number, number];
  viewportAnchor: [number, number];
  scrollUp: boolean;
}

export type TextTracksMessage = CuesMessage | RemoveCuesMessage | TextTrackGoneMessage | TextTrackMessage;

/** The cues of a track that are kept: past this, the earliest go. */
const MAX_CUES = 10_000;
/**
 * A file without cues: an element without a source counts as broken, and native controls do not offer it. A policy that lets media play
 * from a media source lets this come, too.
 */
let empty: string | undefined;
/**
 * As soon as a track is added, Chromium also shows the one that is in the viewer's language, if another one is shown already.
 */
const SETTLING_MS = 500;
/** Of the height of the video, percent: what WebVTT gives a line. */
const LINE_HEIGHT = 5.33;
/** Parts of a cue are not further apart, seconds. */
const JOINT = 0.01;
/** Cues of metadata that have no length would be missed by those who look at `activeCues`. */
const SHORTEST = 0.25;

/** A `<track>` that is filled from here. */
export class CueTrack {
  readonly element: HTMLTrackElement;
  /** The mode that it had before anybody chose. */
  initial: TextTrackMode = 'disabled';
  /** In the order in which they came. */
  #cues = new Map<string, VTTCue>();
  #last: { place: string; cue: VTTCue } | undefined;

  constructor(video: HTMLVideoElement, { kind, label, language }: Pick<TextTrackMessage, 'kind' | 'label' | 'language'>) {
    const element = video.ownerDocument.createElement('track');
    element.kind = kind;
    element.label = label;
    if (language) element.srclang = language;
    // The empty file takes away what was added before it came; so does a policy that does not let it come.
    element.addEventListener('load', this.#restore);
    element.addEventListener('error', this.#restore);
    element.src = empty ??= URL.createObjectURL(new Blob(['WEBVTT\n\n'], { type: 'text/vtt' }));
    this.element = element;
    video.append(element);
  }

  get track(): TextTrack {
    return this.element.track;
  }

  get size(): number {
    return this.#cues.size;
  }

  /** @param place what the cue has in common with one that goes on where it ends */
  add(key: string, cue: VTTCue, place?: string): void {
    this.remove(key);
    this.#cues.set(key, cue);
    this.track.addCue(cue);
    if (place) this.#last = { place, cue };
    if (this.#cues.size <= MAX_CUES) return;
    const [oldest] = this.#cues.keys();
    if (oldest !== undefined) this.remove(oldest);
  }

  /** A cue that was cut at the end of a segment goes on: true if it is the one that came last. */
  lengthen(place: string, { start, end }: Pick<Cue, 'end' | 'start'>): boolean {
    const last = this.#last;
    if (last?.place !== place || end === null || Math.abs(last.cue.endTime - start) > JOINT) return false;
    last.cue.endTime = end;
    return true;
  }

  has(key: string): boolean {
    return this.#cues.has(key);
  }

  remove(key: string): void {
    const cue = this.#cues.get(key);
    if (!cue) return;
    this.#cues.delete(key);
    this.#drop(cue);
  }

  /** Removes what lies within a time. */
  removeWithin(start: number, end: number): void {
    for (const [key, cue] of this.#cues) if (cue.startTime >= start && cue.endTime <= end) this.remove(key);
  }

  /** Takes the track away. */
  close(): void {
    this.element.removeEventListener('load', this.#restore);
    this.element.removeEventListener('error', this.#restore);
    this.removeWithin(-Infinity, Infinity);
    this.track.mode = 'disabled';
    this.element.remove();
  }

  #drop(cue: VTTCue): void {
    try {
      this.track.removeCue(cue);
    } catch {
      // It is not there: the file has not come yet, or the application has removed it.
    }
  }

  #restore = (): void => {
    for (const cue of this.#cues.values()) this.track.addCue(cue);
  };
}

/** The text tracks of an element. */
export class TextTracks {
  #video: HTMLVideoElement;
  #changed: (wanted: string[], showing: string[]) => void;
  #tracks = new Map<string, CueTrack>();
  /** What the viewer has chosen of tracks that are gone, for those that are the like. */
  #modes = new Map<string, TextTrackMode>();
  #regions = new Map<string, VTTRegion>();
  /** The ids of the tracks that are wanted, as they were told last. */
  #told = '';
  #telling = false;
  /** Those that were shown when somebody looked last. */
  #shown: string[] = [];
  /** A track has been added: what is shown besides, the browser shows. */
  #settling: ReturnType<typeof setTimeout> | undefined;

  /** @param changed is told which subtitles and captions are wanted, shown or read by the page, and which of them are shown. */
  constructor(video: HTMLVideoElement, changed: (wanted: string[], showing: string[]) => void) {
    this.#video = video;
    this.#changed = changed;
    video.textTracks.addEventListener('change', this.#onChange);
    video.textTracks.addEventListener('addtrack', this.#onAdded);
  }

  apply(message: TextTracksMessage): void {
    const known = this.#tracks.get(message.track);
    switch (message.type) {
      case 'text-track':
        return this.#open(message);
      case 'text-track-gone':
        return this.#close(message.track);
      case 'cues':
        if (known) for (const cue of message.cues) this.#add(known, cue);
        return;
      case 'remove-cues':
        if (message.ids) for (const id of message.ids) known?.remove(`#${id}`);
        else known?.removeWithin(message.start ?? -Infinity, message.end ?? Infinity);
    }
  }

  /** The subtitles and captions that there are. */
  get ids(): string[] {
    return [...this.#tracks].filter(([, { element }]) => element.kind !== 'metadata').map(([id]) => id);
  }

  /** Shows this track and no other; `null` shows none. */
  show(id: string | null): void {
    for (const [known, { element, track }] of this.#tracks) {
      if (element.kind === 'metadata') continue;
      if (known !== id) track.mode = 'disabled';
      else if (track.mode === 'disabled') track.mode = 'showing';
    }
    this.#shown = this.#showing();
  }

  /** Takes all tracks away: what is loaded next brings its own. What the viewer has chosen is remembered. */
  clear(): void {
    for (const id of [...this.#tracks.keys()]) this.#close(id);
    this.#regions.clear();
  }

  close(): void {
    this.#video.textTracks.removeEventListener('change', this.#onChange);
    this.#video.textTracks.removeEventListener('addtrack', this.#onAdded);
    clearTimeout(this.#settling);
    this.clear();
  }

  #open(message: TextTrackMessage): void {
    const known = this.#tracks.get(message.track);
    const { kind, label, language } = message;
    if (known && known.element.kind === kind && (known.element.srclang || '') === language) {
      known.element.label = label;
      return;
    }
    this.#close(message.track);
    if (kind !== 'metadata') styleCues(this.#video);
    const track = new CueTrack(this.#video, message);
    this.#tracks.set(message.track, track);
    const initial = kind === 'metadata' ? 'hidden' : message.default ? 'showing' : 'disabled';
    track.initial = this.#modes.get(likeness(track)) ?? initial;
    track.track.mode = track.initial;
    this.#onAdded();
    if (track.initial === 'showing' && kind !== 'metadata') this.#shown.push(message.track);
    this.#onChange();
  }

  #close(id: string): void {
    const track = this.#tracks.get(id);
    if (!track) return;
    const { mode } = track.track;
    if (mode !== track.initial) this.#modes.set(likeness(track), mode);
    this.#tracks.delete(id);
    track.close();
    this.#onChange();
  }

  #add(track: CueTrack, cue: Cue): void {
    if (cue.id && track.element.kind === 'metadata') return track.add(`#${cue.id}`, this.#make(cue));
    // Segments number their cues each from 1.
    const place = `${cue.id ?? ''} ${cue.settings ?? ''} ${cue.text}`;
    const key = `${cue.start} ${cue.end} ${place}`;
    if (track.has(key) || (cue.id && track.lengthen(place, cue))) return;
    track.add(key, this.#make(cue), cue.id && place);
  }

  #make(detail: Cue): VTTCue {
    const end = Math.max(detail.end ?? Infinity, detail.start + (detail.metadata ? SHORTEST : 0));
    const cue = new VTTCue(detail.start, Number.MAX_SAFE_INTEGER, detail.text);
    // Not every browser takes infinity.
    attempt(() => (cue.endTime = end));
    if (detail.id) cue.id = detail.id;
    if (detail.settings) applySettings(cue, detail.settings);
    if (detail.region) this.#place(cue, detail.region);
    return detail.metadata ? Object.assign(cue, detail.metadata) : cue;
  }

  #place(cue: VTTCue, region: Region): void {
    // Chromium has none.
    if (typeof VTTRegion === 'undefined') return placeAsIn(cue, region);
    const key = JSON.stringify(region);
    let made = this.#regions.get(key);
    if (!made) {
      made = Object.assign(new VTTRegion(), {
        id: region.id,
        width: region.width,
        lines: region.lines,
        regionAnchorX: region.regionAnchor[0],
        regionAnchorY: region.regionAnchor[1],
        viewportAnchorX: region.viewportAnchor[0],
        viewportAnchorY: region.viewportAnchor[1],
        scroll: region.scrollUp ? 'up' : '',
      });
      this.#regions.set(key, made);
    }
    cue.region = made;
  }

  /** Once for all that happens together: a track that is replaced by its like was not given up. */
  #onChange = (): void => {
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      this.#tell();
    });
  };

  #onAdded = (): void => {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => (this.#settling = undefined), SETTLING_MS);
  };

  #showing(): string[] {
    const shown = ([, { element, track }]: [string, CueTrack]) => element.kind !== 'metadata' && track.mode === 'showing';
    return [...this.#tracks].filter(shown).map(([id]) => id);
  }

  /** A viewer who chooses another one takes the one before away. */
  #undoBrowser(): void {
    const showing = this.#showing();
    const more = showing.filter((id) => !this.#shown.includes(id));
    const added = this.#shown.length > 0 && this.#shown.length + more.length === showing.length;
    if (added && this.#settling !== undefined) for (const id of more) this.#tracks.get(id)!.track.mode = 'disabled';
    else this.#shown = showing;
  }

  #tell(): void {
    this.#undoBrowser();
    const wanted: string[] = [];
    const showing: string[] = [];
    for (const [id, { element, track }] of this.#tracks) {
      if (element.kind === 'metadata' || track.mode === 'disabled') continue;
      wanted.push(id);
      if (track.mode === 'showing') showing.push(id);
    }
    const text = wanted.length > 0 ? JSON.stringify([wanted, showing]) : '';
    if (text === this.#told) return;
    this.#told = text;
    this.#changed(wanted, showing);
  }
}

/** What a viewer's choice is of. */
function likeness({ element: { kind, srclang, label } }: CueTrack): string {
  return `${kind} ${srclang} ${label}`;
}

/** WebVTT cue settings; what a browser does not take stays as it was. */
export function applySettings(cue: VTTCue, settings: string): void {
  for (const setting of settings.split(/\s+/)) {
    const colon = setting.indexOf(':');
    const name = setting.slice(0, Math.max(colon, 0));
    const [value = '', align] = setting.slice(colon + 1).split(',');
    const number = Number.parseFloat(value);
    attempt(() => {
      if (name === 'vertical') cue.vertical = value as DirectionSetting;
      else if (name === 'align') cue.align = value as AlignSetting;
      else if (name === 'size' && number >= 0) cue.size = number;
      else if (name === 'position' && number >= 0) {
        cue.position = number;
        if (align) cue.positionAlign = align as PositionAlignSetting;
      } else if (name === 'line' && Number.isFinite(number)) {
        cue.snapToLines = !value.endsWith('%');
        cue.line = number;
        if (align) cue.lineAlign = align as LineAlignSetting;
      }
    });
  }
}

/** Places a cue about where it would be in a region: on lines, so that those that are shown together make room for each other. */
function placeAsIn(cue: VTTCue, { width, lines, regionAnchor, viewportAnchor }: Region): void {
  const height = lines * LINE_HEIGHT;
  const bottom = viewportAnchor[1] + ((100 - regionAnchor[1]) / 100) * height;
  const left = Math.max(0, viewportAnchor[0] - (regionAnchor[0] / 100) * width);
  const right = Math.min(100, left + width);
  // Of the region, as the size is.
  const within = typeof cue.position === 'number' ? cue.position : defaultPosition(cue.align);
  attempt(() => {
    cue.snapToLines = true;
    // At the bottom of the region, where it begins to fill.
    const taken = Math.min(lines, cue.text.split('\n').length);
    cue.line = bottom > 50 ? -1 - Math.max(0, Math.round((100 - bottom) / LINE_HEIGHT)) : Math.max(0, Math.round(bottom / LINE_HEIGHT) - taken);
    cue.size = ((right - left) * cue.size) / 100;
    cue.position = left + ((right - left) * within) / 100;
  });
}

function defaultPosition(align: AlignSetting): number {
  if (align === 'start' || align === 'left') return 0;
  return align === 'end' || align === 'right' ? 100 : 50;
}

function attempt(f: () => void): void {
  try {
    f();
  } catch {
    // The browser's value stays.
  }
}
