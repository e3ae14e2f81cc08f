// A content decryption module that does what a test says. It is one function, so that it can be put into a page, too.

/**
 * - `systems`: key systems that there are; each may have `types` (what it can decrypt) and `robustness` (what it has; default all).
 * - `decodingInfo`: `full`; `plain`, which knows no key systems; or `none`.
 * - `mute`: key systems about which nothing is ever answered.
 * - `certificate`: what `setServerCertificate` resolves to, or an error to reject with.
 * - `sessions`: how many there can be.
 * - `onRequest(session, initDataType, initData)`: by default it says `license-request`, with the bytes 8, 4.
 * - `onUpdate(session, bytes)`: by default nothing; it may throw.
 * - `stored`: ids of sessions that were stored. `onLoad(session)`: one was.
 * - `refusal`: what `generateRequest` rejects with. `neverCloses`: `close` never settles.
 * - `swapped`: `forEach` of key statuses has its arguments the other way round.
 * - `old`: configurations come back without `encryptionScheme`.
 * - `lacksHdcp`: from this version on; without it, there is no `getStatusForPolicy`.
 */
export function fakeCdm(script = {}) {
  const calls = [];
  const sessions = [];
  const systems = script.systems ?? { 'com.widevine.alpha': {} };
  const named = (name, message) => Object.assign(new Error(message ?? name), { name });

  class Statuses {
    entries = [];
    get size() {
      return this.entries.length;
    }
    forEach(visit) {
      for (const [id, status] of this.entries) {
        if (script.swapped) visit(id, status, this);
        else visit(status, id, this);
      }
    }
  }

  class Session extends EventTarget {
    sessionId = '';
    expiration = NaN;
    keyStatuses = new Statuses();
    updates = [];
    constructor(type) {
      super();
      this.type = type;
      this.closed = new Promise((resolve) => (this.end = resolve));
      // Nobody closes those that were not wanted.
      sessions.push(this);
    }
    say(messageType, message) {
      const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : Uint8Array.from(message);
      this.dispatchEvent(Object.assign(new Event('message'), { messageType, message: bytes.buffer }));
    }
    hex(id) {
      return Array.from(new Uint8Array(id), (byte) => byte.toString(16).padStart(2, '0')).join('');
    }
    /** Pairs of an id in hexadecimal and a status. */
    setKeys(...keys) {
      this.keyStatuses.entries = keys.map(([id, status]) => [Uint8Array.from(id.match(/../g), (digits) => parseInt(digits, 16)).buffer, status]);
      this.dispatchEvent(new Event('keystatuseschange'));
    }
    async generateRequest(type, data) {
      calls.push(['generateRequest', type, data.length]);
      if (script.refusal) throw script.refusal;
      this.sessionId = `session-${sessions.indexOf(this) + 1}`;
      this.initData = data;
      if (script.onRequest) await script.onRequest(this, type, data);
      else this.say('license-request', [8, 4]);
    }
    async load(id) {
      calls.push(['load', id]);
      if (!script.stored?.includes(id)) return false;
      this.sessionId = id;
      await script.onLoad?.(this);
      return true;
    }
    async update(bytes) {
      const copy = new Uint8Array(bytes.slice ? bytes.slice() : bytes);
      this.updates.push(copy);
      calls.push(['update', copy.length]);
      await script.onUpdate?.(this, copy);
    }
    async close() {
      calls.push(['close', this.sessionId]);
      if (script.neverCloses) return new Promise(() => {});
      if (!this.sessionId) throw named('InvalidStateError');
      this.keyStatuses.entries = [];
      this.dispatchEvent(new Event('keystatuseschange'));
      this.end('closed-by-application');
    }
    async remove() {
      calls.push(['remove', this.sessionId]);
      this.setKeys(...this.keyStatuses.entries.map(([id]) => [this.hex(id), 'released']));
      this.say('license-release', [8, 5]);
    }
  }

  class Keys {
    constructor(keySystem) {
      this.keySystem = keySystem;
      if (script.lacksHdcp) {
        this.getStatusForPolicy = async ({ minHdcpVersion }) => (minHdcpVersion >= script.lacksHdcp ? 'output-restricted' : 'usable');
      }
    }
    createSession(type = 'temporary') {
      calls.push(['createSession', type]);
      if (sessions.length >= (script.sessions ?? Infinity)) throw named('QuotaExceededError', 'too many sessions');
      return new Session(type);
    }
    async setServerCertificate(bytes) {
      calls.push(['setServerCertificate', bytes.length]);
      if (script.certificate instanceof Error) throw script.certificate;
      return script.certificate ?? true;
    }
  }

  function accessTo(keySystem, configuration) {
    return {
      keySystem,
      getConfiguration: () => configuration,
      createMediaKeys: async () => {
        calls.push(['createMediaKeys', keySystem]);
        return new Keys(keySystem);
      },
    };
  }

  /** What of these capabilities there is. */
  function offered({ types, robustness }, capabilities = []) {
    return capabilities.filter((one) => (!types || types.includes(one.contentType)) && (!robustness || robustness.includes(one.robustness ?? '')));
  }

  async function requestMediaKeySystemAccess(keySystem, [wanted]) {
    calls.push(['requestMediaKeySystemAccess', keySystem, wanted]);
    if (script.mute?.includes(keySystem)) return new Promise(() => {});
    const system = systems[keySystem];
    const strip = (list) => list.map(({ encryptionScheme, ...rest }) => (script.old ? rest : { ...rest, encryptionScheme: encryptionScheme ?? null }));
    const [audio, video] = [wanted.audioCapabilities, wanted.videoCapabilities].map((list) => list && strip(offered(system ?? {}, list)));
    if (!system || audio?.length === 0 || video?.length === 0) throw named('NotSupportedError');
    return accessTo(keySystem, { ...wanted, audioCapabilities: audio, videoCapabilities: video });
  }

  async function decodingInfo(question) {
    const { keySystemConfiguration: wanted, audio, video } = question;
    if (script.decodingInfo === 'plain' || !wanted) return { supported: true, smooth: true, powerEfficient: true };
    calls.push(['decodingInfo', wanted.keySystem, question]);
    if (script.mute?.includes(wanted.keySystem)) return new Promise(() => {});
    const system = systems[wanted.keySystem];
    const fits = (media, of) => !media || offered(system, [{ contentType: media.contentType, ...of }]).length > 0;
    const supported = Boolean(system) && fits(audio, wanted.audio) && fits(video, wanted.video);
    return { supported, smooth: supported, powerEfficient: false, keySystemAccess: supported ? accessTo(wanted.keySystem, { ...wanted }) : null };
  }

  return {
    calls,
    sessions,
    script,
    navigator: {
      requestMediaKeySystemAccess,
      ...(script.decodingInfo !== 'none' && { mediaCapabilities: { decodingInfo } }),
    },
    /** Says this of all keys of the sessions that are open. */
    setAll(status) {
      for (const session of sessions) {
        const keys = session.keyStatuses.entries.map(([id]) => [session.hex(id), status]);
        if (keys.length > 0) session.setKeys(...keys);
      }
    },
    /** Names of the calls so far. */
    get names() {
      return calls.map(([name]) => name);
    },
  };
}
