// Signed URLs: a token is put into a URL when its request leaves, and taken out of what comes back. The engine, and with it its log and
// its beacons, sees `/t/-/` in its place.

import type { SigningOptions } from './options.js';

/** The place of a token in a URL, and in one that is relative. */
const TOKEN = /(^|\/)t\/([^/?#]+)\//;
const MASK = '/t/-/';
/** How long requests wait for a token, and how long a callback that failed is left alone. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 5000;
/** What plays, what is preloaded, and one for what the page names beside. */
const MAX_SIGNATURES = 3;
/** Of requests that are under way, or have just been. */
const MAX_TOKENS = 20;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The token of what was loaded from one URL. */
interface Signature {
  /** Without the token. */
  url: URL;
  options: SigningOptions;
  /** Empty if there is none yet. */
  token: string;
  /** Milliseconds, as `Date.now()`; Infinity if nobody has said it. */
  expires: number;
  refreshAt: number;
  /** The callback has failed, and is not asked before. */
  pausedUntil: number;
  refreshing?: Promise<void> | undefined;
}

export class Signing {
  #signatures: Signature[] = [];
  /** The one that is renewed ahead of time, also while nothing is fetched: the thumbnails of a video that is paused. */
  #current: Signature | undefined;
  #tokens: string[] = [];
  #failed: (error: unknown) => void;
  #renewed: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param failed is told why there is no new token
   * @param renewed is told that there is one
   */
  constructor(failed: (error: unknown) => void, renewed: () => void) {
    this.#failed = failed;
    this.#renewed = renewed;
  }

  /** Takes the token out of a URL that is to be loaded, and uses it from now on. */
  adopt(url: string, options: SigningOptions | undefined): string {
    const found = options && TOKEN.exec(new URL(url).pathname)?.[2];
    if (!found) return url;
    const token = found === '-' ? (options.token ?? '') : found;
    const masked = url.replace(`/t/${found}/`, MASK);
    // One token for several things, a video and its thumbnails, is renewed once.
    const known = this.#signatures.find((known) => known.url.href === masked || (token && known.token === token));
    const signature = known ?? { url: new URL(masked), options, token: '', expires: 0, refreshAt: 0, pausedUntil: 0 };
    this.#signatures = [signature, ...this.#signatures.filter((other) => other !== known)].slice(0, MAX_SIGNATURES);
    this.#current = signature;
    signature.options = options;
    if (token) this.#take(signature, token, options.expires);
    return masked;
  }

  /** Takes every token that was used out of a URL. */
  mask(url: string): string {
    return this.#tokens.reduce((masked, token) => masked.replaceAll(`/t/${token}/`, MASK), url);
  }

  /** Puts the token of what it belongs to in, if there is one. */
  sign(url: string): string {
    const token = this.#of(url)?.token;
    return token ? url.replace(MASK, () => `/t/${token}/`) : url;
  }

  /** As the global one, for URLs without tokens. */
  async fetch(url: string, init: RequestInit): Promise<Response> {
    const signature = this.#of(url);
    if (!signature) return fetch(url, init);
    const now = Date.now();
    if (now >= signature.expires) await this.#refresh(signature, 'expiring', url);
    else if (now >= signature.refreshAt) void this.#refresh(signature, 'expiring', url);
    const { token } = signature;
    const response = await fetch(this.sign(url), init);
    if (response.status !== 403) return response;
    // Another request may have had it renewed meanwhile.
    if (token === signature.token) await this.#refresh(signature, 'refused', url);
    if (token === signature.token) return response;
    void response.body?.cancel();
    return fetch(this.sign(url), init);
  }

  /** Renews nothing ahead of time any more. */
  rest(): void {
    this.#current = undefined;
    clearTimeout(this.#timer);
  }

  /** The signature of a URL: of those of its origin, that of the URL which has most of its path. */
  #of(url: string): Signature | undefined {
    const { origin, pathname } = new URL(url);
    if (!pathname.includes(MASK)) return undefined;
    let found: Signature | undefined;
    let longest = -1;
    for (const signature of this.#signatures) {
      const { url: known, options } = signature;
      if (origin !== known.origin && !options.origins?.includes(origin)) continue;
      let common = 0;
      while (common < pathname.length && pathname[common] === known.pathname[common]) common++;
      if (common > longest) [found, longest] = [signature, common];
    }
    return found;
  }

  #take(signature: Signature, token: string, expires = Infinity): void {
    const now = Date.now();
    // What seems to have expired when it comes is not old: a clock is wrong, and a refusal will say so.
    if (!(expires > now)) expires = Infinity;
    signature.token = token;
    signature.expires = expires;
    signature.refreshAt = Math.max(now + (expires - now) * 0.8, expires - 60_000);
    if (!this.#tokens.includes(token)) this.#tokens = [token, ...this.#tokens].slice(0, MAX_TOKENS);
    if (signature !== this.#current) return;
    clearTimeout(this.#timer);
    const left = signature.refreshAt - now;
    if (left < LONGEST_TIMER_MS) this.#timer = setTimeout(() => this.#refresh(signature, 'expiring', signature.url.href), left);
  }

  /** At most one at a time; whoever needs it waits for the same. */
  #refresh(signature: Signature, reason: 'expiring' | 'refused', url: string): Promise<void> {
    if (Date.now() < signature.pausedUntil) return Promise.resolve();
    signature.refreshing ??= this.#renew(signature, reason, url).finally(() => (signature.refreshing = undefined));
    return signature.refreshing;
  }

  async #renew(signature: Signature, reason: 'expiring' | 'refused', url: string): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
      });
      const answer = await Promise.race([signature.options.refresh({ url, reason }), late]);
      const given = typeof answer === 'object' && 'token' in answer ? answer : { token: TOKEN.exec(String(answer))?.[2] };
      const { token, expires } = given as { token?: string; expires?: number };
      if (!token || !/^[\w.~=-]+$/.test(token)) throw new TypeError('`refresh` gave no token');
      this.#take(signature, token, expires);
      this.#renewed();
    } catch (error) {
      signature.pausedUntil = Date.now() + PAUSE_MS;
      this.#failed(error);
    } finally {
      clearTimeout(timer);
    }
  }
}
