// Reads the option `drm`: what the engine needs of it, and what it must not see.

import type { DrmOptions, KeySystemOptions } from '../drm-options.js';
import { fromHex, toBase64Url, toBytes } from './bytes.js';

/** The families of key systems, by the beginning of their names. */
const FAMILIES = ['com.apple.fps', 'com.microsoft.playready', 'com.widevine.alpha', 'org.w3.clearkey'] as const;
const CLEAR_KEY = 'org.w3.clearkey';
/** The licence server that is `clearKeys`. */
export const LOCAL = 'data:,clear-keys';

const OPTIONS = [
  'advanced',
  'clearKeys',
  'keyTimeoutMs',
  'maxSessions',
  'preferredKeySystems',
  'requestTransform',
  'responseTransform',
  'servers',
  'storedLicences',
  'withCredentials',
] as const satisfies (keyof DrmOptions)[];
const ADVANCED = [
  'audioRobustness',
  'distinctiveIdentifierRequired',
  'headers',
  'individualizationServer',
  'licenceRequestForm',
  'persistentStateRequired',
  'serverCertificate',
  'serverCertificateUri',
  'sessionType',
  'videoRobustness',
] as const satisfies (keyof KeySystemOptions)[];

export interface Settings {
  /** For the driver (`src/options.rs`): no URL of it has a query. */
  engine: object;
  systems: Map<string, System>;
  /** By the base64url of their ids, in that form, too. */
  clearKeys: Map<string, string>;
  transform: Pick<DrmOptions, 'requestTransform' | 'responseTransform'>;
  withCredentials: boolean;
}

/** What only requests and the CDM get to see of a key system. */
export interface System {
  server: string;
  individualizationServer: string;
  certificateUri: string;
  certificate: Uint8Array<ArrayBuffer> | undefined;
  headers: KeySystemOptions['headers'];
}

/** @throws {TypeError} which names the setting. */
export function readSettings(options: DrmOptions = {}): Settings {
  only(record(options, 'drm'), OPTIONS, 'drm');
  const servers = record(options.servers ?? {}, 'drm.servers');
  const advanced = record(options.advanced ?? {}, 'drm.advanced');
  const clearKeys = readKeys(options.clearKeys);
  const preferred = strings(options.preferredKeySystems, 'drm.preferredKeySystems');
  const named = [...preferred, ...Object.keys(servers), ...Object.keys(advanced), ...(clearKeys.size > 0 ? [CLEAR_KEY] : [])];
  const systems = new Map<string, System>();
  const engine: object[] = [];
  let persistent = false;
  let spc: KeySystemOptions['licenceRequestForm'];
  for (const name of new Set(named)) {
    if (!familyOf(name)) throw new TypeError(`drm: there is no key system \`${name}\`; known are ${FAMILIES.join(', ')} and names that begin with one of them`);
    const path = `drm.advanced['${name}']`;
    const more = record(advanced[name] ?? {}, path) as KeySystemOptions;
    only(more, ADVANCED, path);
    const local = name === CLEAR_KEY && clearKeys.size > 0;
    if (local && servers[name] !== undefined) throw new TypeError('drm: ClearKey has either `clearKeys` or a server');
    const system: System = {
      server: local ? LOCAL : url(servers[name], `drm.servers['${name}']`),
      individualizationServer: url(more.individualizationServer, `${path}.individualizationServer`),
      certificateUri: url(more.serverCertificateUri, `${path}.serverCertificateUri`),
      certificate: toBytes(more.serverCertificate),
      headers: more.headers,
    };
    if (more.serverCertificate !== undefined && (typeof more.serverCertificate === 'string' || !system.certificate?.length)) {
      throw wrong(`${path}.serverCertificate`, 'bytes');
    }
    if (typeof more.headers !== 'function') headerFields(more.headers ?? {}, `${path}.headers`);
    persistent ||= oneOf(more.sessionType, `${path}.sessionType`, ['persistent-license', 'temporary']) === 'persistent-license';
    spc = oneOf(more.licenceRequestForm, `${path}.licenceRequestForm`, ['form', 'json', 'raw']) ?? spc;
    systems.set(name, system);
    engine.push({
      system: name,
      server: local ? LOCAL : publicUrl(system.server),
      individualizationServer: publicUrl(system.individualizationServer),
      certificate: system.certificate ? 'given' : publicUrl(system.certificateUri),
      audioRobustness: strings(more.audioRobustness, `${path}.audioRobustness`),
      videoRobustness: strings(more.videoRobustness, `${path}.videoRobustness`),
      persistentStateRequired: flag(more.persistentStateRequired, `${path}.persistentStateRequired`),
      distinctiveIdentifierRequired: flag(more.distinctiveIdentifierRequired, `${path}.distinctiveIdentifierRequired`),
    });
  }
  const { requestTransform, responseTransform } = options;
  callable(requestTransform, 'drm.requestTransform');
  callable(responseTransform, 'drm.responseTransform');
  return {
    engine: {
      systems: engine,
      persistent,
      spc,
      stored: strings(options.storedLicences, 'drm.storedLicences'),
      keyTimeoutMs: count(options.keyTimeoutMs, 'drm.keyTimeoutMs', 1),
      maxSessions: count(options.maxSessions, 'drm.maxSessions', 1),
    },
    systems,
    clearKeys,
    transform: { requestTransform, responseTransform },
    withCredentials: flag(options.withCredentials, 'drm.withCredentials'),
  };
}

/** What is said of a key system under its own name, or under that of its family. */
export function systemOf(settings: Settings, name: string): System | undefined {
  return settings.systems.get(name) ?? settings.systems.get(familyOf(name) ?? '');
}

/** A URL as the engine may see it: without what may hold a token. */
export function publicUrl(url: string): string {
  if (!url) return '';
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** The header fields, if that is what they are. */
export function headerFields(value: unknown, path: string): Record<string, string> {
  const fields = record(value, path);
  for (const [name, text] of Object.entries(fields)) {
    // Without the value: it may be a token.
    if (typeof text !== 'string') throw wrong(`${path}['${name}']`, 'a string');
  }
  return fields as Record<string, string>;
}

function familyOf(name: string): string | undefined {
  return FAMILIES.find((family) => name === family || name.startsWith(`${family}.`));
}

function readKeys(keys: DrmOptions['clearKeys']): Map<string, string> {
  const read = new Map<string, string>();
  for (const [id, key] of Object.entries(record(keys ?? {}, 'drm.clearKeys'))) {
    const digits = id.replaceAll('-', '');
    if (!/^[\da-f]{32}$/i.test(digits)) throw new TypeError(`drm.clearKeys: the id \`${id}\` has not 32 hexadecimal digits`);
    if (typeof key !== 'string' || !/^[\da-f]{32}$/i.test(key)) throw new TypeError(`drm.clearKeys: the key of \`${id}\` has not 32 hexadecimal digits`);
    read.set(toBase64Url(fromHex(digits)), toBase64Url(fromHex(key)));
  }
  return read;
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'a plain object');
  return value as Record<string, unknown>;
}

function only(value: object, known: readonly string[], path: string): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`unknown setting \`${path}.${unknown}\`; known are ${known.join(', ')}`);
}

/** Absolute; empty if there is none. Errors do not quote it. */
function url(value: unknown, path: string): string {
  if (value === undefined || value === '') return '';
  if (typeof value !== 'string' && !(value instanceof URL)) throw wrong(path, 'a URL');
  let parsed: URL;
  try {
    parsed = new URL(value, globalThis.document?.baseURI);
  } catch {
    throw wrong(path, 'a URL');
  }
  if (!/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password) throw wrong(path, 'an HTTP(S) URL without a name and a password');
  return parsed.href;
}

function strings(value: unknown, path: string): string[] {
  const list = typeof value === 'string' ? [value] : (value ?? []);
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) throw wrong(path, 'a string or a list of strings');
  return list;
}

function oneOf<T extends string>(value: unknown, path: string, known: readonly T[]): T | undefined {
  if (value !== undefined && !known.includes(value as T)) throw wrong(path, known.join(' or '));
  return value as T | undefined;
}

function flag(value: unknown, path: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw wrong(path, 'true or false');
  return value === true;
}

function count(value: unknown, path: string, min: number): number | undefined {
  if (value === undefined || (typeof value === 'number' && Number.isInteger(value) && value >= min)) return value;
  throw wrong(path, `a whole number from ${min}`);
}

function callable(value: unknown, path: string): void {
  if (value !== undefined && typeof value !== 'function') throw wrong(path, 'a function');
}

function wrong(path: string, expected: string): TypeError {
  return new TypeError(`\`${path}\` must be ${expected}`);
}
