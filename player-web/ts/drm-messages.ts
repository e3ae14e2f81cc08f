// The messages about keys between the driver and whoever makes the calls of Encrypted Media Extensions (ts/drm/), as in `src/drm.rs`. What
// is written with underscores is the engine's own (`player_core::drm::cdm`).

export type DrmFromDriver = DrmCommandMessage | LicenceMessage | CancelLicenceMessage;

/** One thing to do. */
export interface DrmCommandMessage {
  type: 'drm';
  command: DrmCommand;
  /** A licence for `update`, a certificate for `certify`. */
  bytes?: Uint8Array<ArrayBuffer>;
}

export type DrmCommand =
  | 'attach'
  | 'detach'
  | { access: { request: number; candidates: Candidate[] } }
  | { certify: object }
  | { hdcp: { versions: string[] } }
  | { open: { session: number; persistent: boolean; init: { type: string; data: string } } }
  | { load: { session: number; stored: string } }
  | { update: { session: number } }
  | { renew: { session: number } }
  | { close: { session: number } }
  | { remove: { session: number } };

/** What may be asked of a browser. What does not matter is empty. */
export interface Candidate {
  key_system: string;
  init_data_types: string[];
  /** MIME types with codecs. */
  audio: string[];
  video: string[];
  audio_robustness: string;
  video_robustness: string;
  encryption_scheme: string;
  persistent: boolean;
  persistent_state: MediaKeysRequirement;
  distinctive_identifier: MediaKeysRequirement;
}

/** Make this request: a message of a CDM, wrapped, or without one for a certificate. */
export interface LicenceMessage {
  type: 'licence';
  request: number;
  url: string;
  /** Answers that are larger are refused. */
  maxBytes: number;
  /** Of a message. */
  session?: number;
  messageType?: MediaKeyMessageType;
  headers?: [string, string][];
  body?: Uint8Array<ArrayBuffer>;
}

/** Nobody waits for the answer any more. */
export interface CancelLicenceMessage {
  type: 'cancel-licence';
  request: number;
}

export type DrmToDriver = { type: 'drm' } & DrmEvent;

export type DrmEvent =
  | { event: 'access'; request: number; candidate: number; types: string[] }
  | { event: 'access'; request: number; refused: Refused }
  | { event: 'attached' | 'certified'; error?: string }
  | { event: 'hdcp'; lacking: string[] }
  | { event: 'opened'; session: number; id: string }
  | { event: 'opened'; session: number; refused: 'absent' | 'other' | 'quota'; error?: string }
  | { event: 'message'; session: number; messageType: string; bytes: Uint8Array<ArrayBuffer> }
  | { event: 'updated'; session: number; error?: string }
  /** `id`: hexadecimal. */
  | { event: 'keys'; session: number; keys: { id: string; status: string }[] }
  | { event: 'closed'; session: number; reason: string }
  | { event: 'encrypted'; initDataType: string; bytes: Uint8Array<ArrayBuffer> }
  | { event: 'waiting-for-key' }
  | { event: 'response'; request: number; status: number; contentType?: string; retryAfter?: string }
  | { event: 'body'; request: number; contentType?: string; bytes: Uint8Array<ArrayBuffer> }
  | { event: 'failed'; request: number; error: string };

export type Refused = 'insecure-context' | 'timeout' | 'unsupported';
