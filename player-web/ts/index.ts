// `headgate`: the player for any <video>. Importing it does nothing but define it.

export type {
  DrmBody,
  DrmErrorDetail,
  DrmErrorKind,
  DrmOptions,
  DrmRequest,
  DrmRequestInfo,
  DrmResponse,
  KeySystemOptions,
} from './drm-options.js';
export { HeadgateError } from './errors.js';
export { Headgate, type HeadgateEventMap, type LoadOptions } from './headgate.js';
export type {
  ErrorKind,
  Id3Frame,
  LicenceStoredDetail,
  LimitDetail,
  LiveDetail,
  LoadedDetail,
  MetadataDetail,
  PlaybackState,
  Rendition,
  RenditionDetail,
  ScanDetail,
  StateDetail,
  StatsDetail,
  TimedMetadata,
  Track,
  TracksDetail,
} from './messages.js';
export type {
  AbrOptions,
  BufferOptions,
  LiveOptions,
  CmcdOptions,
  CmcdTarget,
  HeadgateOptions,
  NetworkStorage,
  RefreshInfo,
  RequestChange,
  RequestInfo,
  RetryOptions,
  RetryPolicy,
  SigningOptions,
  SigningToken,
  TrackOptions,
  WasmSource,
} from './options.js';
export type { Thumbnail } from './thumbnails.js';
