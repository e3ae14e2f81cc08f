// Streams that say that they are protected, and pages whose content decryption module does what a test says. The media is clear: what
// decrypts it decrypts nothing.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakeCdm } from '../../test/support/cdm.mjs';

/** Of the pictures from the highest rendition on, and of the sound. */
export const KEYS = ['10', '20', '30', '40'].map((first) => `${first}112233445566778899aabbccddeeff`);
export const TOKEN = 'viewer-token-0123456789abcdef';

const SYSTEMS = { widevine: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed', playready: '9a04f079-9840-4286-ab92-e65be0885f95', clearkey: '1077efec-c0b2-4d02-ace3-3c1e52e2fb4b' };

/** Makes `<system>.mpd` for each, and `fairplay.m3u8`, beside the clear ones. */
export function protect(folder) {
  const clear = readFileSync(join(folder, 'dash.mpd'), 'utf8');
  for (const [name, uuid] of Object.entries(SYSTEMS)) {
    let number = 0;
    const marked = clear
      .replace('<MPD', '<MPD xmlns:cenc="urn:mpeg:cenc:2013"')
      .replace(/<Representation[^>]*>/g, (tag) => {
        const kid = KEYS[number++];
        const uuidOfKey = kid.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
        return `${tag}
          <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="${uuidOfKey}"/>
          <ContentProtection schemeIdUri="urn:uuid:${uuid}"><cenc:pssh>${pssh(uuid, kid, dataOf(name, kid))}</cenc:pssh></ContentProtection>`;
      });
    writeFileSync(join(folder, `${name}.mpd`), marked);
  }
  const master = readFileSync(join(folder, 'hls.m3u8'), 'utf8');
  const key = (kid) => `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://${kid}",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"\n`;
  let number = 0;
  const lists = master.replace(/media_\d+\.m3u8/g, (list) => {
    const text = readFileSync(join(folder, list), 'utf8');
    writeFileSync(join(folder, `fairplay-${list}`), text.replace('#EXT-X-MAP', `${key(KEYS[number++])}#EXT-X-MAP`));
    return `fairplay-${list}`;
  });
  writeFileSync(join(folder, 'fairplay.m3u8'), lists);
}

function dataOf(name, kid) {
  if (name === 'widevine') return Buffer.from(`1210${kid}`, 'hex');
  return name === 'playready' ? playReadyObject(kid) : Buffer.alloc(0);
}

/** Version 1, with the id of a key and data that name it once more. */
function pssh(uuid, kid, data) {
  const body = Buffer.concat([Buffer.from(uuid.replaceAll('-', '') + '00000001' + kid, 'hex'), length(data.length), data]);
  return Buffer.concat([length(body.length + 12), Buffer.from('pssh'), Buffer.from('01000000', 'hex'), body]).toString('base64');
}

/** A PlayReady object with one record: a header of version 4.1. */
function playReadyObject(kid) {
  const guid = Buffer.from(kid.replace(/^(..)(..)(..)(..)(..)(..)(..)(..)/, '$4$3$2$1$6$5$8$7'), 'hex').toString('base64');
  const header = Buffer.from(
    `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.1.0.0"><DATA><PROTECTINFO><KID ALGID="AESCTR" VALUE="${guid}"></KID></PROTECTINFO></DATA></WRMHEADER>`,
    'utf16le',
  );
  const object = Buffer.alloc(10);
  object.writeUInt32LE(header.length + 10, 0);
  object.writeUInt16LE(1, 4);
  object.writeUInt16LE(1, 6);
  object.writeUInt16LE(header.length, 8);
  return Buffer.concat([object, header]);
}

function length(bytes) {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(bytes);
  return out;
}

/** Puts a CDM into a page: `script` is the source of what `fakeCdm` takes. It may use `KEYS`, and `own(session)`: those that a session was opened for. */
export async function install(page, script) {
  await page.evaluate(`{
    const KEYS = ${JSON.stringify(KEYS)};
    const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const own = (session) => KEYS.filter((key) => hex(session.initData).includes(key));
    const cdm = (globalThis.cdm = (${fakeCdm})(${script}));
    Object.defineProperty(navigator, 'requestMediaKeySystemAccess', { value: cdm.navigator.requestMediaKeySystemAccess });
    const native = MediaCapabilities.prototype.decodingInfo;
    MediaCapabilities.prototype.decodingInfo = function (question) {
      return question.keySystemConfiguration && cdm.navigator.mediaCapabilities ? cdm.navigator.mediaCapabilities.decodingInfo(question) : native.call(this, question);
    };
    const held = new WeakMap();
    Object.defineProperty(HTMLMediaElement.prototype, 'mediaKeys', { get() { return held.get(this) ?? null; } });
    HTMLMediaElement.prototype.setMediaKeys = async function (keys) { held.set(this, keys); };
  }`);
}

/**
 * A licence server at `/licence/`: what it was asked is in the list that comes back. `answer(request)` gives what `route.fulfill` takes; a
 * Widevine licence by default.
 */
export async function serveLicences(page, answer = () => ({ body: Buffer.from([8, 2, 0x99]) })) {
  const asked = [];
  await page.route(/\/licence\//, async (route) => {
    const request = route.request();
    const body = request.postDataBuffer();
    const one = { url: request.url(), method: request.method(), headers: await request.allHeaders(), body: body ?? Buffer.alloc(0) };
    asked.push(one);
    await route.fulfill({ status: 200, contentType: 'application/octet-stream', ...(await answer(one, asked.length)) });
  });
  return asked;
}
