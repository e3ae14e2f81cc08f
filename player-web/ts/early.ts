// The manifest is asked for while the engine is on its way, as the engine would do it. Its first request takes the answer.

import type { HeadgateOptions, RequestChange } from './options.js';

export class EarlyManifest {
  #url: string;
  #send: (url: string, init: RequestInit) => Promise<Response>;
  #abort = new AbortController();
  #response: Promise<Response> | undefined;

  /** Nothing is asked for if the engine would ask in another way. */
  constructor(url: string, { cmcd, request }: HeadgateOptions, send: (url: string, init: RequestInit) => Promise<Response>) {
    this.#url = url;
    this.#send = send;
    if ((cmcd?.mode ?? 'off') !== 'off') return;
    this.#response = this.#fetch(request);
    // Who takes it hears of it.
    this.#response.catch(() => undefined);
  }

  /** The answer to a first request for `url`, which ends with `signal`. */
  take(url: string, signal: AbortSignal): Promise<Response> | undefined {
    const response = url === this.#url ? this.#response : undefined;
    if (!response) {
      this.drop();
      return undefined;
    }
    this.#response = undefined;
    signal.addEventListener('abort', () => this.#abort.abort());
    return response;
  }

  /** Nobody wants it any more, unless it has been taken. */
  drop(): void {
    if (this.#response) this.#abort.abort();
    this.#response = undefined;
  }

  async #fetch(request: HeadgateOptions['request']): Promise<Response> {
    const url = this.#url;
    const asked = new Promise<RequestChange | undefined | void>((resolve) => resolve(request?.({ kind: 'manifest', url })));
    const change = await asked.catch((error: unknown) => {
      throw new Error(`the application's \`request\`: ${error instanceof Error ? error.message : String(error)}`);
    });
    const { signal } = this.#abort;
    return this.#send(change?.url ?? url, { credentials: change?.credentials ?? 'omit', headers: change?.headers ?? {}, signal });
  }
}
