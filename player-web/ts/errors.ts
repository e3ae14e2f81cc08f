import type { DrmErrorDetail } from './drm-options.js';
import type { ErrorKind } from './messages.js';

/** An error of the player, readable as a `MediaError`: `code` and `message`. */
export class HeadgateError extends Error {
  /** 2 network, 3 decode, 4 source not supported: the constants of `MediaError`. */
  readonly code: number;
  readonly kind: ErrorKind;
  /** Playback has ended, and only a new load can bring it back. */
  readonly fatal: boolean;
  /** More, if it is about keys. */
  readonly drm: DrmErrorDetail | null;

  static readonly MEDIA_ERR_ABORTED = 1;
  static readonly MEDIA_ERR_NETWORK = 2;
  static readonly MEDIA_ERR_DECODE = 3;
  static readonly MEDIA_ERR_SRC_NOT_SUPPORTED = 4;

  constructor(kind: ErrorKind, message: string, fatal = true, options?: ErrorOptions & { drm?: DrmErrorDetail }) {
    super(message, options);
    this.name = 'HeadgateError';
    this.kind = kind;
    this.fatal = fatal;
    this.drm = options?.drm ?? null;
    this.code = CODES[kind] ?? HeadgateError.MEDIA_ERR_DECODE;
  }
}

const CODES: Record<ErrorKind, number> = {
  http: 2,
  network: 2,
  signing: 2,
  timeout: 2,
  internal: 3,
  media: 3,
  quota: 3,
  segment: 3,
  drm: 4,
  manifest: 4,
  unsupported: 4,
};
