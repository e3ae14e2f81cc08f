// Which key system there is, and what it can decrypt.

import type { Candidate, Refused } from '../drm-messages.js';
import { Late, within } from './wait.js';

/** For one answer of the browser. */
const PATIENCE_MS = 5000;

export interface Granted {
  candidate: number;
  /** Those of the candidate's types that can be played; empty if the browser does not say. */
  types: string[];
  access: MediaKeySystemAccess;
}

type Answer = Omit<Granted, 'candidate'>;

/** `decodingInfo` of browsers that know key systems; the library of TypeScript does not have them yet. */
interface Capabilities {
  decodingInfo?(configuration: object): Promise<{ supported: boolean; keySystemAccess?: MediaKeySystemAccess | null }>;
}

/** `encryptionScheme` is not in the library of TypeScript either. */
type Capability = MediaKeySystemMediaCapability & { encryptionScheme?: string };

/** A probe: what is asked is whether, and not how well. */
const VIDEO = { width: 640, height: 360, bitrate: 500_000, framerate: 25 };
const AUDIO = { channels: '2', bitrate: 64_000, samplerate: 48_000 };
/** Where nothing is known of the stream yet. */
const ANY = ['video/mp4; codecs="avc1.42E01E"'];

/** The first of the candidates that can be had. */
export async function findAccess(candidates: readonly Candidate[]): Promise<Granted | Refused> {
  if (globalThis.isSecureContext === false) return 'insecure-context';
  const mute = new Set<string>();
  for (const [index, candidate] of candidates.entries()) {
    // A key system about which a browser says nothing is not asked for again in other words.
    if (mute.has(candidate.key_system)) continue;
    try {
      const answer = (await byDecoding(candidate)) ?? (await byAccess(candidate));
      if (answer !== 'no') return { candidate: index, ...answer };
    } catch (error) {
      if (error instanceof Late) mute.add(candidate.key_system);
    }
  }
  return mute.size > 0 ? 'timeout' : 'unsupported';
}

/** What `MediaCapabilities` says; nothing where it knows no key systems, or does not understand a type. */
async function byDecoding(candidate: Candidate): Promise<Answer | 'no' | undefined> {
  const { audio } = candidate;
  const video = videoOf(candidate);
  const pairs = Array.from({ length: Math.max(audio.length, video.length) }, (_, i) => [video[i] ?? video.at(-1), audio[i] ?? audio.at(-1)] as const);
  try {
    const answers = (await Promise.all(pairs.map((pair) => byPair(candidate, ...pair)))).flat();
    const [first] = answers;
    return first ? { access: first.access, types: [...new Set(answers.flatMap(({ types }) => types))] } : 'no';
  } catch (error) {
    if (error instanceof Late) throw error;
    return undefined;
  }
}

/** If they do not go together, each is asked about alone. */
async function byPair(candidate: Candidate, video: string | undefined, audio: string | undefined): Promise<Answer[]> {
  const access = await decoding(candidate, video, audio);
  const types = [video, audio].filter((type) => type !== undefined);
  if (access) return [{ access, types }];
  if (types.length < 2) return [];
  const alone = [await decoding(candidate, video, undefined), await decoding(candidate, undefined, audio)];
  return types.flatMap((type, i) => (alone[i] ? [{ access: alone[i], types: [type] }] : []));
}

async function decoding(candidate: Candidate, video: string | undefined, audio: string | undefined): Promise<MediaKeySystemAccess | null> {
  const scheme = candidate.encryption_scheme || undefined;
  const keySystemConfiguration = {
    keySystem: candidate.key_system,
    initDataType: candidate.init_data_types[0] ?? '',
    ...states(candidate),
    ...(video && { video: { robustness: candidate.video_robustness, encryptionScheme: scheme } }),
    ...(audio && { audio: { robustness: candidate.audio_robustness, encryptionScheme: scheme } }),
  };
  const capabilities = navigator.mediaCapabilities as Capabilities | undefined;
  if (!capabilities?.decodingInfo) throw new TypeError('there are no MediaCapabilities');
  const info = await within(
    PATIENCE_MS,
    capabilities.decodingInfo({
      type: 'media-source',
      ...(video && { video: { contentType: video, ...VIDEO } }),
      ...(audio && { audio: { contentType: audio, ...AUDIO } }),
      keySystemConfiguration,
    }),
  );
  // One that does not know the member has judged what is not encrypted.
  if (info.keySystemAccess === undefined || (info.supported && !info.keySystemAccess)) throw new TypeError('it knows no key systems');
  return info.supported ? (info.keySystemAccess ?? null) : null;
}

async function byAccess(candidate: Candidate): Promise<Answer | 'no'> {
  if (typeof navigator.requestMediaKeySystemAccess !== 'function') return 'no';
  const capabilities = (types: string[], robustness: string): Capability[] =>
    types.map((contentType) => ({ contentType, robustness, ...(candidate.encryption_scheme && { encryptionScheme: candidate.encryption_scheme }) }));
  const video = capabilities(videoOf(candidate), candidate.video_robustness);
  const audio = capabilities(candidate.audio, candidate.audio_robustness);
  const configuration: MediaKeySystemConfiguration = {
    initDataTypes: candidate.init_data_types,
    ...states(candidate),
    ...(video.length > 0 && { videoCapabilities: video }),
    ...(audio.length > 0 && { audioCapabilities: audio }),
  };
  try {
    const access = await within(PATIENCE_MS, navigator.requestMediaKeySystemAccess(candidate.key_system, [configuration]));
    // Without `encryptionScheme` in it, the browser does not know that member; and then nobody does.
    const { audioCapabilities = [], videoCapabilities = [] } = access.getConfiguration();
    const types = [...videoCapabilities, ...audioCapabilities].flatMap(({ contentType }) => contentType ?? []);
    return { access, types: types.filter((type) => candidate.video.includes(type) || candidate.audio.includes(type)) };
  } catch (error) {
    if (error instanceof Late) throw error;
    return 'no';
  }
}

function videoOf({ audio, video }: Candidate): string[] {
  return audio.length + video.length > 0 ? video : ANY;
}

function states(candidate: Candidate): Pick<MediaKeySystemConfiguration, 'distinctiveIdentifier' | 'persistentState' | 'sessionTypes'> {
  return {
    distinctiveIdentifier: candidate.distinctive_identifier,
    persistentState: candidate.persistent_state,
    sessionTypes: [candidate.persistent ? 'persistent-license' : 'temporary'],
  };
}
