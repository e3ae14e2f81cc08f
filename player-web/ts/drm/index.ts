// The calls of Encrypted Media Extensions, as the engine wants them: a file of its own (`drm.js`), which is loaded for protected streams
// alone. `src/drm.rs` is its other end; what goes back and forth is in `../drm-messages.ts`.

import type { DrmCommand, DrmEvent, DrmFromDriver, DrmToDriver, LicenceMessage } from '../drm-messages.js';
import type { DrmRequestInfo } from '../drm-options.js';
import { findAccess, type Granted } from './access.js';
import { fromBase64, words } from './bytes.js';
import { Licences, type Application } from './licences.js';
import { ElementKeys, keysOf } from './media-keys.js';
import { Sessions } from './sessions.js';
import { systemOf } from './settings.js';

export { readSettings, type Settings } from './settings.js';
export type { Application } from './licences.js';

/** `getStatusForPolicy` is not in the library of TypeScript. */
type Policed = MediaKeys & { getStatusForPolicy?(policy: { minHdcpVersion: string }): Promise<MediaKeyStatus> };

const NO_KEYS = Promise.reject<MediaKeys>(new Error('no key system was attached'));
NO_KEYS.catch(() => undefined);

/** The element is given back. */
export function forgetKeys(video: HTMLMediaElement): void {
  keysOf(video).forget();
}

/** One driver's key system. */
export class Drm {
  #application: Application;
  #send: (message: DrmToDriver) => void;
  #element: ElementKeys;
  #granted: Granted | undefined;
  #keys = NO_KEYS;
  #sessions: Sessions;
  #licences: Licences;
  #closed = false;

  constructor(video: HTMLMediaElement, application: Application, send: (message: DrmToDriver) => void) {
    this.#application = application;
    this.#send = send;
    this.#element = keysOf(video);
    this.#sessions = new Sessions(this.#tell, () => this.#element.spoil());
    this.#licences = new Licences(this.#tell);
  }

  receive(message: DrmFromDriver): void {
    if (message.type === 'licence') this.#fetch(message);
    else if (message.type === 'cancel-licence') this.#licences.cancel(message.request);
    else void this.#do(message.command, message.bytes);
  }

  /** `MediaKeySession.sessionId` of one of the engine's sessions; empty if it has none. */
  sessionId(session: number): string {
    return this.#sessions.name(session);
  }

  /** The key system that was granted. */
  get keySystem(): string | undefined {
    return this.#granted?.access.keySystem;
  }

  /** Says nothing any more. The `MediaKeys` of the element are kept for the next one. */
  close(): void {
    this.#closed = true;
    this.#licences.cancelAll();
    void this.#sessions.closeAll();
    this.#element.detach();
  }

  async #do(command: DrmCommand, bytes: Uint8Array<ArrayBuffer> = new Uint8Array()): Promise<void> {
    if (command === 'attach') return this.#attach();
    if (command === 'detach') {
      this.#keys = NO_KEYS;
      return this.#element.detach();
    }
    if ('access' in command) {
      const { request, candidates } = command.access;
      const found = await findAccess(candidates);
      if (typeof found === 'string') return this.#tell({ event: 'access', request, refused: found });
      this.#granted = found;
      const { candidate, types } = found;
      return this.#tell({ event: 'access', request, candidate, types });
    }
    if ('certify' in command) return this.#certify(bytes);
    if ('hdcp' in command) return this.#hdcp(command.hdcp.versions);
    if ('open' in command) {
      const { session, persistent, init } = command.open;
      return this.#sessions.generate(this.#keys, session, persistent, init.type, fromBase64(init.data));
    }
    if ('load' in command) return this.#sessions.load(this.#keys, command.load.session, command.load.stored);
    if ('update' in command) return this.#sessions.update(command.update.session, bytes);
    if ('renew' in command) return this.#sessions.update(command.renew.session, new TextEncoder().encode('renew'));
    if ('close' in command) return this.#sessions.close(command.close.session);
    return this.#sessions.remove(command.remove.session);
  }

  async #attach(): Promise<void> {
    try {
      if (!this.#granted) throw new Error('no key system was granted');
      this.#keys = this.#element.attach(this.#granted.access);
      await this.#keys;
      this.#tell({ event: 'attached' });
    } catch (error) {
      this.#tell({ event: 'attached', error: words(error) });
    }
  }

  async #certify(fetched: Uint8Array<ArrayBuffer>): Promise<void> {
    const given = systemOf(this.#application.settings, this.keySystem ?? '')?.certificate;
    try {
      await this.#element.certify(this.#keys, fetched.length > 0 || !given ? fetched : given);
      this.#tell({ event: 'certified' });
    } catch (error) {
      this.#tell({ event: 'certified', error: words(error) });
    }
  }

  /** Says nothing where the browser cannot. */
  async #hdcp(versions: string[]): Promise<void> {
    try {
      const keys: Policed = await this.#keys;
      const statuses = await Promise.all(versions.map((minHdcpVersion) => keys.getStatusForPolicy?.({ minHdcpVersion })));
      if (!statuses.every(Boolean)) return;
      this.#tell({ event: 'hdcp', lacking: versions.filter((_, i) => statuses[i] !== 'usable') });
    } catch {
      // As where the function is not there.
    }
  }

  #fetch(message: LicenceMessage): void {
    const keySystem = this.keySystem ?? '';
    const info: DrmRequestInfo = {
      keySystem,
      sessionId: message.session === undefined ? '' : this.sessionId(message.session),
      kind: message.messageType ?? 'server-certificate',
    };
    void this.#licences.fetch(message, info, systemOf(this.#application.settings, keySystem), this.#application);
  }

  #tell = (event: DrmEvent): void => {
    if (!this.#closed) this.#send({ type: 'drm', ...event });
  };
}
