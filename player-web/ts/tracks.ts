// Tracks of sound and text in the terms of HTML.

import type { MetadataDetail, TimedMetadata, Track } from './messages.js';
import type { Cue } from './text-tracks.js';

/** Roles (DASH) and characteristics (HLS) that make subtitles captions. */
const CAPTIONS = /^(caption|easyreader|public\.accessibility\.(describes-music-and-sound|transcribes-spoken-dialog))$/;

export function textKind({ captions, roles }: Track): 'captions' | 'subtitles' {
  return captions || roles.some((role) => CAPTIONS.test(role)) ? 'captions' : 'subtitles';
}

/** The kind of an `AudioTrack`. */
export function audioKind({ roles }: Track, first: boolean): string {
  const has = (...names: string[]) => roles.some((role) => names.includes(role));
  if (has('description', 'public.accessibility.describes-video')) return 'descriptions';
  if (has('commentary')) return 'commentary';
  if (has('dub')) return 'translation';
  return has('main') || (first && !has('alternate')) ? 'main' : 'alternative';
}

/** What a language calls itself; nothing if it is not known. */
export function languageName(tag: string): string {
  try {
    const name = new Intl.DisplayNames([tag], { type: 'language', fallback: 'none' }).of(tag);
    return name ?? '';
  } catch {
    return '';
  }
}

/** As it comes from the driver, bytes are lists of numbers. */
export function withBytes(detail: MetadataDetail): MetadataDetail {
  const { metadata } = detail;
  if (!metadata) return detail;
  const message = Array.isArray(metadata.message) ? Uint8Array.from(metadata.message as number[]) : metadata.message;
  const frames = metadata.frames.map((frame) => ({ ...frame, data: Uint8Array.from(frame.data) }));
  return { ...detail, metadata: { ...metadata, message, frames } };
}

/** A cue of a track of metadata. */
export function metadataCue(key: number, metadata: TimedMetadata): Cue {
  const { start, end, message, scheme, source, frames } = metadata;
  const text = typeof message === 'string' ? message : frames.map((frame) => frame.text).join('\n');
  return { id: `${key}`, start, end, text, metadata: { type: scheme || source, value: metadata } };
}
