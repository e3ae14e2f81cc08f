// Key sessions, under the engine's numbers.

import type { DrmEvent } from '../drm-messages.js';
import { toHex, words } from './bytes.js';
import { within } from './wait.js';

/** Some browsers never say that a session is closed. */
const CLOSE_MS = 2000;
/** Numbers whose names are remembered, for errors that come after the end. */
const MAX_NAMES = 100;

interface KeySession {
  native: MediaKeySession;
  /** Settles once it can be closed. */
  begun: Promise<unknown>;
  /** We have asked for it. */
  closing: boolean;
}

/** Some platforms have it the other way round. */
type Visit = (status: MediaKeyStatus | BufferSource, id: BufferSource | MediaKeyStatus) => void;

export class Sessions {
  #sessions = new Map<number, KeySession>();
  #names = new Map<number, string>();
  #tell: (event: DrmEvent) => void;
  #broken: () => void;

  /** @param broken is told that the CDM has begun anew, or has failed */
  constructor(tell: (event: DrmEvent) => void, broken: () => void) {
    this.#tell = tell;
    this.#broken = broken;
  }

  /** `MediaKeySession.sessionId`; empty if it has none. */
  name(id: number): string {
    return this.#sessions.get(id)?.native.sessionId || (this.#names.get(id) ?? '');
  }

  generate(keys: Promise<MediaKeys>, id: number, persistent: boolean, initDataType: string, initData: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#open(keys, id, persistent, async (native) => {
      await native.generateRequest(initDataType, initData);
      return true;
    });
  }

  load(keys: Promise<MediaKeys>, id: number, stored: string): Promise<void> {
    return this.#open(keys, id, true, (native) => native.load(stored));
  }

  async update(id: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let error: string | undefined;
    try {
      const session = this.#sessions.get(id);
      if (!session) throw new Error('the session is not open');
      await session.native.update(bytes);
    } catch (cause) {
      error = words(cause);
    }
    this.#tell({ event: 'updated', session: id, error });
  }

  async close(id: number): Promise<void> {
    const session = this.#sessions.get(id);
    if (!session || session.closing) return;
    session.closing = true;
    await session.begun.catch(() => undefined);
    await within(CLOSE_MS, session.native.close()).catch(() => undefined);
    this.#end(id, session, 'closed-by-application');
  }

  async remove(id: number): Promise<void> {
    const session = this.#sessions.get(id);
    // What cannot be removed is at least not kept open.
    await session?.native.remove().catch(() => this.close(id));
  }

  closeAll(): Promise<unknown> {
    return Promise.all([...this.#sessions.keys()].map((id) => this.close(id)));
  }

  async #open(keys: Promise<MediaKeys>, id: number, persistent: boolean, begin: (native: MediaKeySession) => Promise<boolean>): Promise<void> {
    let native: MediaKeySession | undefined;
    try {
      native = (await keys).createSession(persistent ? 'persistent-license' : 'temporary');
      // Before the request is made: the first message may come before the promise is kept.
      this.#listen(id, native);
      const begun = begin(native);
      const session = { native, begun, closing: false };
      this.#sessions.set(id, session);
      native.closed?.then((reason) => this.#end(id, session, reason || (session.closing ? 'closed-by-application' : 'internal-error')));
      if (await begun) return this.#tell({ event: 'opened', session: id, id: native.sessionId });
      this.#sessions.delete(id);
      this.#tell({ event: 'opened', session: id, refused: 'absent' });
    } catch (cause) {
      this.#sessions.delete(id);
      const refused = (cause as { name?: unknown } | null)?.name === 'QuotaExceededError' ? 'quota' : 'other';
      this.#tell({ event: 'opened', session: id, refused, error: words(cause) });
    }
    // What has not begun may refuse.
    native?.close().catch(() => undefined);
  }

  #listen(session: number, native: MediaKeySession): void {
    native.addEventListener('message', ({ message, messageType }) => {
      const bytes = new Uint8Array(message.slice(0));
      this.#tell({ event: 'message', session, messageType: messageType || 'license-request', bytes });
    });
    native.addEventListener('keystatuseschange', () => {
      const keys = statuses(native.keyStatuses);
      // A session that is closed loses them all, and says that it is closed.
      if (keys.length > 0) this.#tell({ event: 'keys', session, keys });
    });
  }

  #end(id: number, session: KeySession, reason: string): void {
    if (this.#sessions.get(id) !== session) return;
    this.#names.set(id, session.native.sessionId);
    const [oldest] = this.#names.keys();
    if (this.#names.size > MAX_NAMES && oldest !== undefined) this.#names.delete(oldest);
    this.#sessions.delete(id);
    if (reason === 'hardware-context-reset' || reason === 'internal-error') this.#broken();
    this.#tell({ event: 'closed', session: id, reason });
  }
}

function statuses(map: MediaKeyStatusMap): { id: string; status: string }[] {
  const keys: { id: string; status: string }[] = [];
  const visit: Visit = (a, b) => {
    const [status, id] = typeof a === 'string' ? [a, b as BufferSource] : [b as MediaKeyStatus, a];
    const bytes = ArrayBuffer.isView(id) ? new Uint8Array(id.buffer, id.byteOffset, id.byteLength) : new Uint8Array(id);
    // Some CDMs have entries of their own, which are no keys.
    if (bytes.length === 16) keys.push({ id: toHex(bytes), status });
  };
  map.forEach(visit as Parameters<MediaKeyStatusMap['forEach']>[0]);
  return keys;
}
