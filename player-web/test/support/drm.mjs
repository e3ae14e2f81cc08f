// Commands of an engine and what comes of them, with a CDM of a test's and a `<video>` that knows only keys.

import { load } from '../load.mjs';
import { fakeCdm } from './cdm.mjs';

const { Drm, forgetKeys, readSettings } = await load('drm/index.ts');
export { forgetKeys, readSettings };

export class FakeMedia {
  mediaKeys = null;
  /** Of a player with a source, which cannot change keys that it has. */
  busy = false;
  calls = [];
  async setMediaKeys(keys) {
    this.calls.push(keys ? 'set' : 'clear');
    if (this.under) throw new Error('two calls at a time');
    this.under = true;
    await Promise.resolve();
    this.under = false;
    if (this.busy && this.mediaKeys && keys !== this.mediaKeys) throw Object.assign(new Error('busy'), { name: 'InvalidStateError' });
    this.mediaKeys = keys;
  }
}

export const CANDIDATE = {
  key_system: 'com.widevine.alpha',
  init_data_types: ['cenc'],
  audio: ['audio/mp4; codecs="mp4a.40.2"'],
  video: ['video/mp4; codecs="avc1.42c01e"'],
  audio_robustness: '',
  video_robustness: '',
  encryption_scheme: 'cenc',
  persistent: false,
  persistent_state: 'optional',
  distinctive_identifier: 'optional',
};

/** A page without a browser: `navigator` is the CDM's. */
export function bench(script = {}, options = {}, video = new FakeMedia()) {
  const cdm = script.calls ? script : fakeCdm(script);
  Object.defineProperty(globalThis, 'navigator', { value: cdm.navigator, configurable: true });
  const events = [];
  const warnings = [];
  const application = { settings: readSettings(options), request: undefined, warn: (message, cause) => warnings.push({ message, cause }) };
  const drm = new Drm(video, application, (event) => {
    // Throws if it could not be posted to a worker.
    const { type, ...rest } = structuredClone(event);
    if (type !== 'drm') throw new Error(type);
    events.push(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)));
  });
  return {
    application,
    cdm,
    drm,
    events,
    video,
    warnings,
    command: (command, bytes) => drm.receive({ type: 'drm', command, bytes }),
    /** The first event of this name from now on, or one that has come and was not taken. */
    async event(name) {
      for (let i = 0; i < 200; i++) {
        const at = events.findIndex(({ event }) => event === name);
        if (at !== -1) return events.splice(at, 1)[0];
        await new Promise((resolve) => setImmediate(resolve));
      }
      throw new Error(`no ${name} in ${JSON.stringify(events)}`);
    },
    async access(...candidates) {
      this.command({ access: { request: 1, candidates: candidates.length > 0 ? candidates : [CANDIDATE] } });
      return this.event('access');
    },
    async attach(...candidates) {
      await this.access(...candidates);
      this.command('attach');
      return this.event('attached');
    },
    async open(session = 1, persistent = false) {
      this.command({ open: { session, persistent, init: { type: 'cenc', data: 'AAAA' } } });
      return this.event('opened');
    },
  };
}

/** Lets promises and what they lead to go on. */
export async function settle() {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}
