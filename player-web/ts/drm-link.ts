// Loads ts/drm/ when it is needed, and gives it its messages in order.

import type { DrmFromDriver } from './drm-messages.js';
import type { Application, Drm, Settings } from './drm/index.js';
import type { DrmOptions } from './drm-options.js';
import { HeadgateError } from './errors.js';
import type { ToDriver } from './messages.js';

type Module = typeof import('./drm/index.js');

/** Whom it speaks for. */
export interface DrmHost extends Omit<Application, 'settings'> {
  send(message: ToDriver): void;
  /** It cannot be loaded. */
  fail(error: unknown): void;
}

let loading: Promise<Module> | undefined;

function loadDrm(): Promise<Module> {
  // This literal is what bundlers look for.
  loading ??= import('./drm/index.js').catch((cause: unknown) => {
    // The next load may try again.
    loading = undefined;
    throw new HeadgateError('drm', 'drm.js cannot be loaded: serve it beside the script, from the package headgate', true, { cause });
  });
  return loading;
}

/** Reads the option `drm`. Without it nothing is loaded. */
export async function drmSettings(options: DrmOptions | undefined): Promise<Settings | undefined> {
  return options && (await loadDrm()).readSettings(options);
}

/** The key system of a player, from the first message about it on. */
export class DrmLink {
  #video: HTMLVideoElement;
  #host: DrmHost;
  /** Of the driver that runs. */
  #drm: Promise<Drm> | undefined;
  #ready: Drm | undefined;
  #settings: Settings | undefined;

  constructor(video: HTMLVideoElement, host: DrmHost) {
    this.#video = video;
    this.#host = host;
  }

  /** Uses these settings from now on. */
  configure(settings: Settings | undefined): void {
    this.#settings = settings;
  }

  receive(message: DrmFromDriver): void {
    this.#drm ??= this.#open();
    void this.#drm.then((drm) => drm.receive(message), (error: unknown) => this.#host.fail(error));
  }

  /** `MediaKeySession.sessionId` of one of the engine's sessions. */
  sessionId(session: number): string | null {
    return this.#ready?.sessionId(session) || null;
  }

  /** The driver is gone. */
  end(): void {
    void this.#drm?.then((drm) => drm.close(), () => undefined);
    this.#drm = undefined;
    this.#ready = undefined;
  }

  /** The element is given back. */
  close(): void {
    this.end();
    void loading?.then((module) => module.forgetKeys(this.#video), () => undefined);
  }

  async #open(): Promise<Drm> {
    const { Drm, readSettings } = await loadDrm();
    const host = this.#host;
    const settings = () => (this.#settings ??= readSettings());
    const application: Application = {
      get settings() {
        return settings();
      },
      get request() {
        return host.request;
      },
      warn: (message, cause) => host.warn(message, cause),
    };
    this.#ready = new Drm(this.#video, application, (message) => host.send(message));
    return this.#ready;
  }
}
