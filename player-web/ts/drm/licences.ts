// Requests for licences and certificates, with what the application adds to them. What they hold is seen by nobody else.

import type { DrmEvent, LicenceMessage } from '../drm-messages.js';
import type { DrmRequest, DrmRequestInfo, DrmResponse } from '../drm-options.js';
import type { HeadgateOptions } from '../options.js';
import { toBytes, words } from './bytes.js';
import { headerFields, LOCAL, publicUrl, type Settings, type System } from './settings.js';

/** What the application is asked, or told. */
export interface Application {
  settings: Settings;
  /** The option `request`. */
  request: HeadgateOptions['request'];
  /** A function of the application has failed. */
  warn(message: string, cause: unknown): void;
}

/** A function of the application has failed, and it was told how. */
class Told extends Error {}

export class Licences {
  #running = new Map<number, AbortController>();
  #tell: (event: DrmEvent) => void;

  constructor(tell: (event: DrmEvent) => void) {
    this.#tell = tell;
  }

  async fetch(message: LicenceMessage, info: DrmRequestInfo, system: System | undefined, application: Application): Promise<void> {
    const { request } = message;
    const stop = new AbortController();
    this.#running.set(request, stop);
    const tell = (event: DrmEvent) => {
      // Of what was cancelled nobody wants to hear.
      if (!stop.signal.aborted) this.#tell(event);
    };
    try {
      if (message.url === LOCAL) {
        tell({ event: 'response', request, status: 200, contentType: 'application/json' });
        tell({ event: 'body', request, bytes: localLicence(message, application.settings.clearKeys) });
      } else await post(message, info, system, application, stop.signal, tell);
    } catch (error) {
      tell({ event: 'failed', request, error: error instanceof Told ? error.message : words(error) });
    } finally {
      this.#running.delete(request);
    }
  }

  cancel(request: number): void {
    this.#running.get(request)?.abort();
    this.#running.delete(request);
  }

  cancelAll(): void {
    for (const stop of this.#running.values()) stop.abort();
    this.#running.clear();
  }
}

async function post(
  message: LicenceMessage,
  info: DrmRequestInfo,
  system: System | undefined,
  application: Application,
  signal: AbortSignal,
  tell: (event: DrmEvent) => void,
): Promise<void> {
  const { request } = message;
  const sent = await prepare(message, info, system, application, signal);
  signal.throwIfAborted();
  const body = sent.body === null ? null : toBytes(sent.body);
  if (body === undefined || typeof sent.url !== 'string') {
    refuse(application, 'the application gave no request', '`url` must be a string, `body` bytes, a string or null');
  }
  const response = await fetch(sent.url, {
    method: sent.method,
    headers: sent.headers,
    body,
    credentials: sent.withCredentials ? 'include' : 'omit',
    // Licences are not to be kept.
    cache: body ? 'no-store' : 'default',
    signal,
  });
  const field = (name: string) => response.headers.get(name) ?? undefined;
  tell({ event: 'response', request, status: response.status, contentType: field('Content-Type'), retryAfter: field('Retry-After') });
  if (!response.ok) {
    void response.body?.cancel();
    return tell({ event: 'body', request, bytes: new Uint8Array() });
  }
  const answer: DrmResponse = {
    url: response.url,
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await bodyOf(response, message.maxBytes),
  };
  const transform = application.settings.transform.responseTransform;
  const changed = transform && (await ask(application, 'drm.responseTransform', () => transform(answer, info)));
  const other = toBytes(changed);
  if (other) answer.body = other;
  else Object.assign(answer, changed);
  const bytes = toBytes(answer.body);
  if (!bytes || bytes.length > message.maxBytes) {
    refuse(application, 'the application gave no licence', `\`body\` must be bytes or a string, and at most ${message.maxBytes} bytes`);
  }
  tell({ event: 'body', request, bytes, contentType: answer.headers['content-type'] });
}

/** The request as it is to be sent. */
async function prepare(message: LicenceMessage, info: DrmRequestInfo, system: System | undefined, application: Application, signal: AbortSignal): Promise<DrmRequest> {
  const { settings } = application;
  const { body = null, headers = [] } = message;
  const request: DrmRequest = {
    url: realUrl(message.url, info, system),
    method: body ? 'POST' : 'GET',
    headers: Object.fromEntries(headers),
    body,
    withCredentials: settings.withCredentials,
  };
  const own = system?.headers;
  if (own && body) {
    const fields = typeof own === 'function' ? await ask(application, 'headers', async () => headerFields(await own(), 'headers')) : own;
    Object.assign(request.headers, fields);
  }
  signal.throwIfAborted();
  const filter = application.request;
  if (filter) {
    const kind = body ? 'licence' : 'certificate';
    const change = await ask(application, 'request', () => filter({ kind, url: request.url }));
    if (change?.url !== undefined) request.url = change.url;
    if (change?.credentials) request.withCredentials = change.credentials === 'include';
    Object.assign(request.headers, change?.headers);
  }
  signal.throwIfAborted();
  const transform = settings.transform.requestTransform;
  if (transform) Object.assign(request, await ask(application, 'drm.requestTransform', () => transform(request, info)));
  return request;
}

/** Calls a function of the application. What it throws is told to the application alone: it may quote what was sent. */
async function ask<T>(application: Application, name: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const message = `the application's \`${name}\` failed`;
    application.warn(message, cause);
    throw new Told(message);
  }
}

function refuse(application: Application, message: string, why: string): never {
  application.warn(message, new TypeError(why));
  throw new Told(message);
}

/** With the query that the engine has not seen, before what the engine has added. */
function realUrl(url: string, info: DrmRequestInfo, system: System | undefined): string {
  if (!system) return url;
  const { individualizationServer, server, certificateUri } = system;
  const places = { 'individualization-request': [individualizationServer, server], 'server-certificate': [certificateUri] };
  const known = places[info.kind as keyof typeof places] ?? [server];
  const real = known.find((real) => real && publicUrl(real) === publicUrl(url));
  if (!real) return url;
  const [whole, added] = [new URL(real), new URL(url).search.slice(1)];
  if (added) whole.search = whole.search ? `${whole.search}&${added}` : added;
  return whole.href;
}

/** The body, if it is no larger than that. */
async function bodyOf(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || !value) break;
    length += value.length;
    if (length > maxBytes) {
      void reader?.cancel();
      throw new RangeError(`the answer is larger than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** What a ClearKey server would answer (Encrypted Media Extensions, 9.1.4). */
function localLicence({ body = new Uint8Array(), messageType }: LicenceMessage, known: Map<string, string>): Uint8Array<ArrayBuffer> {
  // What was given back is acknowledged by its own record.
  if (messageType === 'license-release') return body;
  const { kids, type } = JSON.parse(new TextDecoder().decode(body)) as { kids: string[]; type?: string };
  const keys = kids.flatMap((kid) => (known.has(kid) ? [{ kty: 'oct', kid, k: known.get(kid) }] : []));
  return new TextEncoder().encode(JSON.stringify({ keys, type: type ?? 'temporary' }));
}
