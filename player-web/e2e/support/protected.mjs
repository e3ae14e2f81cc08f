// What tests of protected streams share: streams from headgate-origin and from Shaka Packager, a licence server, pages that are listened to,
// and the search for keys where none must be.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEIGHT, picturesOf, recognise, WIDTH } from '../../../encoder/peers/support/pictures.mjs';
import { start } from './browser.mjs';
import { startLicence } from './licence.mjs';
import { ORIGIN, startOrigin } from './origin.mjs';
import { mount, state, until } from './page.mjs';

const PACKAGER = process.env.HEADGATE_SHAKA_PACKAGER ?? '';
/** Whether there are streams of Shaka Packager. */
export const hasPackager = existsSync(PACKAGER);
export const SECONDS = 12;
export const CLEARKEY = 'org.w3.clearkey';
/** Has the same pictures as the others; those of Shaka Packager are made of it. */
const CLEAR = `sample-${SECONDS}s-480p`;
/** Short names of the origin's streams. */
export const STREAMS = {
  cenc: `sample-${SECONDS}s-720p-cenc`,
  cbcs: `sample-${SECONDS}s-720p-cbcs`,
  rotation: `sample-${SECONDS}s-360p-cenc-rotation`,
  lead: `sample-${SECONDS}s-360p-cbcs-lead`,
  aes128: 'sample-8s-180p-aes128',
  'aes128-iv': 'sample-8s-180p-aes128-iv',
  sampleaes: 'sample-8s-180p-sampleaes',
};
const MANIFESTS = { hls: 'hls/master.m3u8', dash: 'dash/manifest.mpd' };
/** Of Shaka Packager, which wants them above the segments. */
const PACKED = { hls: 'master.m3u8', dash: 'manifest.mpd' };

/** Makes all of it; takes half a minute. */
export async function startLab() {
  let folder;
  const closing = [];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const site = await start((made) => (folder = made));
    closing.push(() => site.close());
    const licence = await startLicence();
    closing.push(() => licence.close());
    const origin = await startOrigin(folder, ['--make', [CLEAR, ...Object.values(STREAMS)].join(',')]);
    closing.push(() => origin.close());
    const keyFiles = {};
    for (const [name, stream] of Object.entries(STREAMS)) {
      keyFiles[name] = join(folder, `${name}.keys.json`);
      execFileSync(ORIGIN, ['keys', stream, '--out', keyFiles[name]]);
      licence.add(keyFiles[name]);
    }
    const clip = join(folder, 'clip.mp4');
    writeFileSync(clip, whole(join(folder, 'videos', CLEAR), '480p'));
    const pictures = await picturesOf(clip);
    if (hasPackager) for (const scheme of ['cenc', 'cbcs']) pack(folder, scheme, licence.keysOf(keyFiles[scheme]));
    const url = (name, protocol) => {
      const manifest = (STREAMS[name] ? MANIFESTS : PACKED)[protocol];
      return `${origin.url}videos/${STREAMS[name] ?? name}/${manifest}`;
    };
    return { site, licence, origin, pictures, url, keys: (name) => licence.keysOf(keyFiles[name]), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A rendition of a clear stream as one fragmented file. */
function whole(stream, rendition) {
  const folder = join(stream, rendition);
  const segments = readdirSync(folder).filter((name) => name.endsWith('.m4s'));
  segments.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  return Buffer.concat(['init.mp4', ...segments].map((name) => readFileSync(join(folder, name))));
}

/** `shaka-cenc` and `shaka-cbcs`: the clear stream, encrypted by Shaka Packager with the keys of ours, the larger pictures with that of HD. */
function pack(folder, scheme, keys) {
  const clear = join(folder, 'videos', CLEAR);
  const out = join(folder, 'videos', `shaka-${scheme}`);
  mkdirSync(out, { recursive: true });
  const input = (rendition, kind, label, ...more) => {
    writeFileSync(join(folder, `${rendition}.mp4`), whole(clear, rendition));
    const files = [`init_segment=${rendition}/init.mp4`, `segment_template=${rendition}/$Number$.m4s`, `playlist_name=${rendition}.m3u8`];
    return [`in=${join(folder, `${rendition}.mp4`)}`, `stream=${kind}`, ...files, `drm_label=${label}`, ...more].join(',');
  };
  const labels = ['audio', 'sd', 'hd'];
  const raw = Object.entries(keys).map(([kid, key], i) => `label=${labels[i]}:key_id=${kid}:key=${key}`);
  execFileSync(PACKAGER, [
    ...[input('480p', 'video', 'hd'), input('360p', 'video', 'sd'), input('audio', 'audio', 'audio', 'hls_group_id=sound')],
    ...['--enable_raw_key_encryption', '--keys', raw.join(','), '--protection_scheme', scheme, '--protection_systems', 'Common,Widevine,PlayReady'],
    ...['--clear_lead', '0', '--segment_duration', '2', '--generate_static_live_mpd'],
    ...['--mpd_output', PACKED.dash, '--hls_master_playlist_output', PACKED.hls],
  ], { cwd: out, stdio: 'pipe' });
}

/** Listens to what a page of Playwright sends, answers and says; `forget()` lets it begin anew. */
export function listen(page) {
  const heard = { sent: [], events: [], said: [] };
  page.on('request', (request) => {
    heard.events.push({ type: 'request', url: request.url(), method: request.method() });
    heard.sent.push({ url: request.url(), rest: JSON.stringify([request.headers(), request.postData()]) });
  });
  page.on('requestfinished', (request) => heard.events.push({ type: 'finished', url: request.url(), method: request.method(), at: performance.now() }));
  page.on('console', (message) => heard.said.push(message.text()));
  return heard;
}

/**
 * Plays `url` with what a test sets of `drm`. `token` is sent to the licence server; `renew`, the query of a token, has the application get a new
 * one when the one that it has is no longer good, as applications do.
 */
export async function play(page, lab, url, { drm = {}, token = lab.licence.issue(), renew, config = {}, attributes = {} } = {}) {
  await mount(page, { autoplay: '', 'site-key': 'k', 'beacon-url': `${lab.site.server.origin}/v1/beacons`, 'video-id': 'protected', ...attributes });
  await page.evaluate(
    ([url, drm, config, token, renew]) => {
      const bearer = (token) => ({ Authorization: `Bearer ${token}` });
      if (renew) {
        let held = { token, expires: 0 };
        video.tokens = 0;
        drm.requestTransform = async (request) => {
          if (held.expires < Date.now() + 200) {
            held = await (await fetch(renew)).json();
            video.tokens++;
          }
          Object.assign(request.headers, bearer(held.token));
        };
      } else if (drm.servers && token) drm.advanced = { ...drm.advanced, 'org.w3.clearkey': { headers: bearer(token) } };
      video.config = config;
      video.drm = drm;
      // Sizes of what is on the screen, when it was there.
      video.shown = [];
      video.began = performance.now();
      const look = (_, { width, mediaTime }) => {
        video.shown.push({ width, time: mediaTime });
        video.nativeEl.requestVideoFrameCallback(look);
      };
      video.nativeEl.requestVideoFrameCallback(look);
      video.src = url;
    },
    [url, { ...(!drm.clearKeys && { servers: { [CLEARKEY]: lab.licence.url } }), ...drm }, config, token, renew && `${lab.licence.url}token?${renew}`],
  );
}

/** The highest rendition is played, however small the element is. */
export const ANY_SIZE = { abr: { capToElementSize: false } };

/** Plays up to a time; tells what is wrong at once, if something is. */
export async function playsTo(page, time) {
  await until(page, (time) => video.error || video.ended || video.currentTime >= time, time, 25_000);
  const { error, ...rest } = await state(page);
  assert.equal(error, null, JSON.stringify(rest));
}

/** What is on the screen is the picture of that time. It is paused for that, and goes on. */
export async function shows(page, lab) {
  await page.evaluate(() => {
    video.pause();
    return new Promise((resolve) => setTimeout(resolve, 100));
  });
  const png = await page.screenshot();
  const data = typeof png === 'string' ? png : png.toString('base64');
  const { time, bytes } = await page.evaluate(cut, [`data:image/png;base64,${data}`, WIDTH, HEIGHT]);
  const seen = recognise(bytes, lab.pictures);
  assert.ok(seen.distance < 25 && Math.abs(seen.time - time) < 0.5, `at ${time} s it shows ${seen.time} s, ${seen.distance} apart`);
  await page.evaluate(() => void video.play());
}

/** Runs in the page. */
async function cut([url, width, height]) {
  const bounds = video.getBoundingClientRect();
  const blob = await (await fetch(url)).blob();
  const image = await createImageBitmap(blob, bounds.x, bounds.y, bounds.width, bounds.height);
  const canvas = new OffscreenCanvas(width, height).getContext('2d');
  canvas.imageSmoothingQuality = 'high';
  canvas.drawImage(image, 0, 0, width, height);
  return { time: video.currentTime, bytes: [...canvas.getImageData(0, 0, width, height).data] };
}

/** Waits until it has failed, and tells how: kind, message, and what is said of keys. */
export async function failure(page, timeout = 20_000) {
  await until(page, () => video.error, undefined, timeout);
  return page.evaluate(() => ({ kind: video.error.kind, message: video.error.message, code: video.error.code, ...(video.error.drm && { drm: { ...video.error.drm } }) }));
}

export async function warnings(page) {
  return (await state(page)).seen.filter(({ type }) => type === 'headgate-warning').map(({ detail }) => detail);
}

/** No key, licence or token is anywhere but in requests to the licence server. */
export async function assertKept(page, lab, { sent, said }) {
  const kept = await page.evaluate(() => [
    video.api.exportLog() ?? '',
    JSON.stringify(video.seen),
    JSON.stringify([video.error?.message, video.error?.drm, String(video.error?.cause ?? ''), video.error?.stack]),
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
    document.documentElement.outerHTML,
  ]);
  const { licence, site, origin } = lab;
  const elsewhere = sent.filter(({ url }) => !url.startsWith(licence.url));
  const places = { 'the log, events, errors or storage': kept.join('\n'), 'the console': [...said, ...page.problems].join('\n') };
  places.beacons = JSON.stringify(site.server.beacons);
  places['the origin'] = origin.log();
  places['a request to another server'] = JSON.stringify(elsewhere);
  places['the URL of a licence request'] = JSON.stringify(sent.map(({ url }) => url));
  for (const secret of licence.secrets) {
    for (const text of spellings(secret)) {
      for (const [place, all] of Object.entries(places)) assert.ok(!all.includes(text), `a secret is in ${place}`);
    }
  }
}

function spellings(secret) {
  if (typeof secret === 'string') return [secret];
  const hex = secret.toString('hex');
  return [hex, hex.toUpperCase(), secret.toString('base64').replace(/=+$/, ''), secret.toString('base64url'), [...secret].join(','), [...secret].join(', ')];
}
