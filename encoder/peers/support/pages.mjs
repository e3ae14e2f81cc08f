// A page for each player, embedded as its own documentation does it. What a player has to say is gathered in `window.said`, what it
// shows in `window.pictures`.

import { HEIGHT, PER_SECOND, WIDTH } from './pictures.mjs';

/** Who plays what. */
export const PLAYERS = {
  Headgate: ['hls', 'dash'],
  'hls.js': ['hls'],
  'dash.js': ['dash'],
  Shaka: ['hls', 'dash'],
};

/** Each gets `video`, `url`, `keys` (hexadecimal key IDs to keys, or none), `live` (it is, with low latency) and `say`. */
const EMBEDS = {
  Headgate: `<script type="module">
      import { Headgate } from '/headgate/index.js';
      const player = new Headgate();
      player.addEventListener('error', ({ detail }) => say('error', detail.kind + ' ' + detail.message));
      player.addEventListener('warning', ({ detail }) => say('warning', detail.kind + ' ' + detail.message));
      player.attach(video);
      player.load(url);
      begin();
    </script>`,
  'hls.js': `<script src="/hls.js/hls.js"></script>
    <script>
      const quiet = () => {};
      const debug = { log: quiet, info: quiet, debug: quiet, trace: quiet, warn: (...args) => say('warning', args.join(' ')), error: (...args) => say('error', args.join(' ')) };
      const hls = new Hls({ debug, ...(keys && {
        emeEnabled: true,
        drmSystems: { 'org.w3.clearkey': { licenseUrl: location.origin + '/unused' } },
        requestMediaKeySystemAccessFunc: (system, configurations) => navigator.requestMediaKeySystemAccess('org.w3.clearkey', configurations),
        licenseXhrSetup: quiet,
      }) });
      hls.on(Hls.Events.ERROR, (_, data) => say(data.fatal ? 'error' : 'warning', data.details + ' ' + (data.error ?? '')));
      hls.loadSource(url);
      hls.attachMedia(video);
      begin();
    </script>`,
  'dash.js': `<script src="/dashjs/dash.all.debug.js"></script>
    <script>
      const player = dashjs.MediaPlayer().create();
      player.updateSettings({ debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE } });
      player.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => say('error', error.code + ' ' + error.message));
      // Told to play before it has read a manifest, it never reads that again.
      player.initialize(video, url, live);
      if (keys) {
        const base64 = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((byte) => parseInt(byte, 16)))).replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_');
        const clearkeys = Object.fromEntries(Object.entries(keys).map(([id, key]) => [base64(id), base64(key)]));
        player.setProtectionData({ 'org.w3.clearkey': { clearkeys } });
      }
      if (!live) begin();
    </script>`,
  Shaka: `<script src="/shaka/shaka-player.compiled.js"></script>
    <script>
      const player = new shaka.Player();
      player.addEventListener('error', ({ detail }) => say('error', detail.code + ' ' + detail.message));
      if (keys) player.configure({ drm: { clearKeys: keys } });
      if (live) player.configure({ streaming: { lowLatencyMode: true } });
      player.attach(video).then(() => player.load(url)).then(begin, (error) => say('error', error.code + ' ' + JSON.stringify(error.data)));
    </script>`,
};

/** The page on which `player` plays `?url=`, with `?keys=` as JSON, and `?live` where that is how it is made. */
export function page(player, query) {
  const text = (value) => JSON.stringify(value).replaceAll('<', '\\u003c');
  return `<!doctype html>
    <meta charset="utf-8">
    <video muted playsinline width="320" height="180"></video>
    <script>
      const video = document.querySelector('video');
      const url = ${text(query.get('url'))};
      const keys = JSON.parse(${text(query.get('keys') ?? 'null')});
      const live = ${query.has('live')};
      window.said = [];
      const say = (kind, text) => window.said.push(kind + ': ' + text);
      const begin = () => video.play().catch((error) => say('error', error.message));
      video.addEventListener('error', () => say('error', 'media ' + video.error.code + ' ' + video.error.message));
      window.pictures = [];
      const canvas = new OffscreenCanvas(${WIDTH}, ${HEIGHT}).getContext('2d', { willReadFrequently: true });
      canvas.imageSmoothingQuality = 'high';
      const shrink = (image) => {
        canvas.drawImage(image, 0, 0, ${WIDTH}, ${HEIGHT});
        return [...canvas.getImageData(0, 0, ${WIDTH}, ${HEIGHT}).data];
      };
      video.requestVideoFrameCallback(function look(_, { mediaTime }) {
        const last = window.pictures.at(-1)?.time;
        if (!(Math.abs(mediaTime - last) < ${1 / PER_SECOND})) window.pictures.push({ time: mediaTime, bytes: shrink(video) });
        video.requestVideoFrameCallback(look);
      });
    </script>
    ${EMBEDS[decodeURIComponent(player)]}`;
}
