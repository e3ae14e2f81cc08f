// The messages between the owner of the media element and the driver, as in `src/message.rs`. Plain objects both ways:
// they can be posted to a worker. Times are seconds of media, rates bits per second.

import type { DrmFromDriver, DrmToDriver } from './drm-messages.js';
import type { DrmErrorDetail } from './drm-options.js';
import type { CuesMessage } from './text-tracks.js';
import type { ThumbnailsMessage } from './thumbnails.js';

export type ToDriver =
  | DrmToDriver
  | HostMessage
  | LimitsMessage
  | LoadMessage
  | MediaMessage
  | PreloadMessage
  | RemoveLicencesMessage
  | ScanMessage
  | SelectMessage
  | SelectTrackMessage
  | UnloadMessage;

/** The page around the player; sizes in device pixels. */
export interface HostMessage {
  type: 'host';
  hidden: boolean;
  width: number;
  height: number;
  /** The viewer asks for little data. */
  saveData: boolean;
  /** The machine is not connected. */
  offline: boolean;
}

/** From now on in place of those of the options; `null` is none. */
export interface LimitsMessage {
  type: 'limits';
  maxBandwidthKbps: number | null;
  maxHeight: number | null;
}

export interface LoadMessage {
  type: 'load';
  /** Absolute. */
  url: string;
  /** Where to start, seconds; without it at the beginning, or near the edge of what is live. */
  startTime?: number;
  /** URL of a WebVTT file of thumbnails. Default: that of a `<track kind="metadata" label="thumbnails">` in the video. */
  thumbnails?: string;
  videoId?: string;
  videoTitle?: string;
  networkMemory?: NetworkMemory;
}

/** Load the beginning of this when there is the time for it, for the `load` of the same URL; without a URL, drop what was preloaded. */
export interface PreloadMessage extends Partial<Omit<LoadMessage, 'type'>> {
  type: 'preload';
}

/** Give back the licences that were stored. */
export interface RemoveLicencesMessage {
  type: 'remove-licences';
}

/** What was learnt of a network. */
export interface NetworkMemory {
  /** Median throughput. */
  kbps: number;
  /** Standard deviation of its natural logarithm. */
  spread: number;
  /** When it was measured. */
  unixMs: number;
}

/** The state of the element. */
export interface MediaMessage {
  type: 'media';
  currentTime: number;
  paused: boolean;
  seeking: boolean;
  ended: boolean;
  readyState: number;
  playbackRate: number;
  decodedFrames: number;
  droppedFrames: number;
  /** `MediaError.code`. */
  error: number | null;
}

/** Fast-forward with single pictures at so many times the normal speed, backwards if negative; 0 ends it. */
export interface ScanMessage {
  type: 'scan';
  rate: number;
}

/** Play this rendition; `null` lets the engine choose. */
export interface SelectMessage {
  type: 'select';
  rendition: string | null;
}

/** Play this track; `null` shows no text. */
export interface SelectTrackMessage {
  type: 'select-track';
  kind: 'audio' | 'text';
  track: string | null;
}

export interface UnloadMessage {
  type: 'unload';
}

export type FromDriver =
  | AttachMessage
  | CuesMessage
  | DetachMessage
  | DrmFromDriver
  | EventMessage
  | RememberMessage
  | RateMessage
  | SeekMessage
  | ThumbnailsMessage;

/** Set the element's source: an object URL, or a handle from a worker. */
export interface AttachMessage {
  type: 'attach';
  url?: string;
  handle?: MediaProvider;
  /** A `ManagedMediaSource` plays only with remote playback disabled. */
  managed: boolean;
}

export interface DetachMessage {
  type: 'detach';
}

/** Keep this for the next player on this machine. */
export interface RememberMessage extends NetworkMemory {
  type: 'remember';
}

/** Play at this rate, unless the viewer has chosen another. */
export interface RateMessage {
  type: 'rate';
  rate: number;
}

export interface SeekMessage {
  type: 'seek';
  currentTime: number;
}

export interface EventMessage {
  type: 'event';
  event: DriverEvent;
}

export type DriverEvent =
  | ({ type: 'error' } & ErrorDetail)
  | ({ type: 'licence-stored' } & LicenceStoredDetail)
  | ({ type: 'limit' } & LimitDetail)
  | ({ type: 'live' } & LiveDetail)
  | ({ type: 'loaded' } & LoadedDetail)
  | ({ type: 'metadata' } & MetadataDetail)
  | ({ type: 'rendition' } & RenditionDetail)
  | ({ type: 'scan' } & ScanDetail)
  | ({ type: 'state' } & StateDetail)
  | ({ type: 'stats' } & StatsDetail)
  | ({ type: 'tracks' } & TracksDetail);

export interface ErrorDetail {
  kind: ErrorKind;
  /** Playback has ended, and only a new load can bring it back. */
  fatal: boolean;
  message: string;
  /** More, if it is about keys; `session` is the engine's number. */
  drm?: Omit<DrmErrorDetail, 'sessionId'> & { session: number | null };
}

export type ErrorKind =
  | 'drm'
  | 'http'
  | 'internal'
  | 'manifest'
  | 'media'
  | 'network'
  | 'quota'
  | 'segment'
  | 'signing'
  | 'timeout'
  | 'unsupported';

/** A licence was stored on this machine. */
export interface LicenceStoredDetail {
  /** `MediaKeySession.sessionId`, for `drm.storedLicences`. */
  id: string;
}

/** Other renditions may be chosen than before. */
export interface LimitDetail {
  /** Id of the highest one that may be chosen. */
  highest: string;
  /** What keeps the higher ones out; empty when nothing does any more. */
  by: ('application' | 'data-saver' | 'decoding' | 'dropped-frames' | 'element-size' | 'restricted')[];
}

/** The window of a live stream. */
export interface LiveDetail {
  /** What may be seeked in, seconds. */
  start: number;
  end: number;
  /** Where one watches live: as close to the end as the stream wants it. */
  edge: number;
}

export interface LoadedDetail {
  protocol: 'hls' | 'dash';
  /** Seconds; `null` if it has no end. */
  duration: number | null;
  /** It is live. */
  live: boolean;
  /** Lowest bitrate first. */
  renditions: Rendition[];
  /** What was odd in the manifest but did not keep it from playing. */
  warnings: string[];
}

/** Something was said of a stretch or a point of the stream. */
export interface MetadataDetail {
  /**
   * `known`: it has become known, or is known better, mostly before the playhead gets there; `enter`: the playhead is at it; `leave`: it
   * is not any more (never said of a point); `removed`: it is not kept any more.
   */
  change: 'enter' | 'known' | 'leave' | 'removed';
  /** Names it within a load. */
  key: number;
  /** What it is, unless it leaves or is removed. */
  metadata?: TimedMetadata;
}

/** What was not said is empty. */
export interface TimedMetadata {
  source: 'date-range' | 'emsg' | 'event-stream' | 'id3';
  /** The scheme of an event, the class of a date range. */
  scheme: string;
  /** A refinement of that. */
  value: string;
  /** Its own id. */
  id: string;
  /** Seconds. */
  start: number;
  /** Seconds; the same as `start` if it is of a point, `null` if it is not known. */
  end: number | null;
  /** Of an ID3 tag, also of one in an event. */
  frames: Id3Frame[];
  /** Of a date range: name and value. */
  attributes: [string, string][];
  /** What an event says: text from a manifest, bytes from a segment, or nothing. */
  message: string | Uint8Array | null;
}

export interface Id3Frame {
  /** As `TXXX`, `PRIV`. */
  id: string;
  /** Description (`TXXX`, `WXXX`, …), owner (`PRIV`, `UFID`), or empty. */
  description: string;
  /** Text or URL, if it is a frame of those. */
  text: string;
  /** The other bytes. */
  data: Uint8Array;
}

/** One rung of the ladder. What was not declared is 0 or empty. */
export interface Rendition {
  id: string;
  /** Declared peak, bit/s. */
  bitrate: number;
  width: number;
  height: number;
  frameRate: number;
  /** RFC 6381. */
  codecs: string;
}

export interface RenditionDetail {
  id: string;
  /** True once the viewer sees it, false when the engine begins to fetch it. */
  visible: boolean;
}

export interface ScanDetail {
  /** Times the normal speed, backwards if negative; 0: it has ended. */
  rate: number;
}

export interface StateDetail {
  state: PlaybackState;
  /** Why, if it is rebuffering. */
  cause: 'decode' | 'key' | 'network' | 'seek' | 'other' | null;
}

export type PlaybackState =
  | 'idle'
  | 'starting'
  | 'playing'
  | 'paused'
  | 'rebuffering'
  | 'seeking'
  | 'ended'
  | 'failed';

export interface StatsDetail {
  /** Media ahead of the playhead, seconds. */
  buffer: number;
  /** The estimate, bit/s; `null` while there is none. */
  throughput: number | null;
  /** Id of the rendition being fetched. */
  rendition: string;
  /** How far the playhead is behind the live edge, seconds; `null` if the stream is not live. */
  latency: number | null;
}

/** What there is to choose from. */
export interface TracksDetail {
  audio: Track[];
  /** Subtitles and captions. */
  text: Track[];
}

/** A track of sound or text. What was not declared is empty. */
export interface Track {
  id: string;
  /** BCP 47. */
  language: string;
  label: string;
  /** Roles and characteristics, as the manifest has them. */
  roles: string[];
  /** Channels of sound, as the manifest has them. */
  channels: string;
  /** Text that is meant to be shown even to those who want none. */
  forced: boolean;
  /** Text that is inside the pictures. */
  captions: boolean;
  /** It is what is played. */
  selected: boolean;
}
