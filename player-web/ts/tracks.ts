// Tracks of sound and text in the terms of HTML.

import type { Track } from './messages.js';

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
