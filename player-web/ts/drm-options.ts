// What an application may set about protected streams: the option `drm`.

/** Protected streams. Key systems are called as in EME: `com.widevine.alpha`, `com.microsoft.playready`, `com.apple.fps`, `org.w3.clearkey`. */
export interface DrmOptions {
  /** URL of the licence server of each key system. Default: what the manifest says. Tokens in its query stay in its requests. */
  servers?: Record<string, string | URL>;
  /** What else there is to say of a key system. */
  advanced?: Record<string, KeySystemOptions>;
  /** Keys for ClearKey, by their ids; 32 hexadecimal digits both. No server is asked for them. */
  clearKeys?: Record<string, string>;
  /** Key systems to try first, in this order. Default: the order of `servers`, then that of `advanced`. */
  preferredKeySystems?: string[];
  /** How long a key may be missing before that is an error, milliseconds, from when it is needed. Default 10 000. */
  keyTimeoutMs?: number;
  /** Key sessions at a time; the one that was needed last gives way. Default 32. */
  maxSessions?: number;
  /** Ids of licences that were stored before (event `licencestored`): they are loaded in place of asking a server. */
  storedLicences?: string[];
  /**
   * Called before each request for a licence or a certificate, which waits for it. It may change the request in place, or return what is
   * to be different. Nothing is sent if it throws.
   */
  requestTransform?: (request: DrmRequest, info: DrmRequestInfo) => Partial<DrmRequest> | undefined | void | Promise<Partial<DrmRequest> | undefined | void>;
  /** Called with each answer of status 200 to 299. It may change it in place, or return what is to be different: the licence, or more. */
  responseTransform?: (
    response: DrmResponse,
    info: DrmRequestInfo,
  ) => DrmBody | Partial<DrmResponse> | undefined | void | Promise<DrmBody | Partial<DrmResponse> | undefined | void>;
  /** Send cookies to licence servers. Default false. */
  withCredentials?: boolean;
}

export interface KeySystemOptions {
  /** Robustness of the pictures, the best first; the empty string is any. Default: `SW_SECURE_DECODE` for Widevine, else any. */
  videoRobustness?: string | string[];
  /** Robustness of the sound. Default: `SW_SECURE_CRYPTO` for Widevine, else any. */
  audioRobustness?: string | string[];
  /** The certificate of the licence server. */
  serverCertificate?: BufferSource;
  /** Where to get it. Default: what the manifest says. */
  serverCertificateUri?: string | URL;
  /** URL for requests of individualization. Default: the licence server. */
  individualizationServer?: string | URL;
  /** State must be kept on the machine. Default false: it may be. */
  persistentStateRequired?: boolean;
  /** The machine must have an identifier. Default false: it may have. */
  distinctiveIdentifierRequired?: boolean;
  /** Header fields of requests for licences, or what gives them, called for each. */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** What FairPlay's licence server wants: bytes, a form with the field `spc` in base64, or JSON with the member `spc`. Default `raw`. */
  licenceRequestForm?: 'form' | 'json' | 'raw';
  /** Whether licences are stored on the machine (`persistent-license`); said of one key system, it counts for all. Default `temporary`. */
  sessionType?: 'persistent-license' | 'temporary';
}

/** Bytes, or text that is sent as UTF-8. */
export type DrmBody = BufferSource | string;

/** A request for a licence or a certificate that is about to be made. */
export interface DrmRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  /** What the content decryption module says, as its licence server wants it; `null` in a request for a certificate. */
  body: DrmBody | null;
  withCredentials: boolean;
}

/** What a server has answered. */
export interface DrmResponse {
  url: string;
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array;
}

export interface DrmRequestInfo {
  /** As it was granted, for instance `com.microsoft.playready.recommendation`. */
  keySystem: string;
  /** `MediaKeySession.sessionId`; empty while there is none. */
  sessionId: string;
  kind: 'individualization-request' | 'license-release' | 'license-renewal' | 'license-request' | 'server-certificate';
}

/** What is wrong with keys. */
export interface DrmErrorDetail {
  kind: DrmErrorKind;
  /** To load again may help. */
  retriable: boolean;
  /** The key system, if one was chosen. */
  keySystem: string | null;
  /** `MediaKeySession.sessionId`, if it is about one. */
  sessionId: string | null;
  /** The id of a key, 32 hexadecimal digits, if it is about one. */
  keyId: string | null;
  /** The HTTP status of the licence server, if that is what is wrong. */
  status: number | null;
}

export type DrmErrorKind =
  | 'cdm-reset'
  | 'certificate'
  | 'expired'
  | 'insecure-context'
  | 'key-missing-timeout'
  | 'no-config'
  | 'output-restricted'
  | 'request-http'
  | 'request-network'
  | 'response-rejected'
  | 'session'
  | 'session-limit'
  | 'unsupported'
  | 'wrong-key';
