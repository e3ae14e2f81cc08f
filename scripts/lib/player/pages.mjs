// A page for each player, embedded as its own documentation does it.

export const OURS = 'Headgate';
export const PROTOCOLS = ['HLS', 'DASH'];

/** Who is measured, and what it can play. */
const PLAYERS = {
  [OURS]: PROTOCOLS,
  'hls.js': ['HLS'],
  'dash.js': ['DASH'],
  Shaka: PROTOCOLS,
};

/** Those that play a protocol. */
export function playersOf(protocol) {
  return Object.keys(PLAYERS).filter((name) => PLAYERS[name].includes(protocol));
}

/** The same of low-latency streams, in the players' own order of preference. hls.js and dash.js follow them without a setting. */
export const LIVE_PLAYERS = { HLS: [OURS, 'hls.js', 'Shaka'], DASH: [OURS, 'dash.js', 'Shaka'] };

/** Seconds to have ahead of the playhead, for all. */
const GOAL_S = 30;

/**
 * Each gets `video`, `url`, `lowest`: whether it begins with the lowest rung, as all do then, or as it is used to, and `servers`: those of
 * licences, if there are any.
 */
const EMBEDS = {
  [OURS]: `<script type="module">
      import { Headgate } from '/headgate/index.js';
      // What others have in their scripts.
      const wasm = manual ? await WebAssembly.compileStreaming(fetch('/headgate/player.wasm')) : undefined;
      const player = new Headgate({ wasm, buffer: { goalS: ${GOAL_S} }, ...(lowest && { abr: { initialThroughputKbps: null } }), ...(servers && { drm: { servers } }) });
      player.attach(video);
      begin(() => player.load(url));
    </script>`,
  'hls.js': `<script src="/hls.js/hls.min.js"></script>
    <script>
      const hls = new Hls({ maxBufferLength: ${GOAL_S}, maxMaxBufferLength: ${GOAL_S}, ...(lowest && { startLevel: 0 }) });
      begin(() => { hls.loadSource(url); hls.attachMedia(video); });
    </script>`,
  'dash.js': `<script src="/dashjs/dash.all.min.js"></script>
    <script>
      const player = dashjs.MediaPlayer().create();
      player.updateSettings({ streaming: {
        buffer: { bufferTimeDefault: ${GOAL_S}, bufferTimeAtTopQuality: ${GOAL_S}, bufferTimeAtTopQualityLongForm: ${GOAL_S} },
        ...(lowest && { abr: { initialBitrate: { video: 1 } } }),
      } });
      begin(() => player.initialize(video, url, true));
    </script>`,
  Shaka: `<script src="/shaka/shaka-player.compiled.js"></script>
    <script>
      const player = new shaka.Player();
      player.configure({ streaming: { bufferingGoal: ${GOAL_S} } });
      if (servers) player.configure({ drm: { servers } });
      if (lowest) player.configure({ abr: { useNetworkInformation: false, defaultBandwidthEstimate: 1 } });
      begin(async () => { await player.attach(video); await player.load(url); });
    </script>`,
};

/** Each as it comes, but told that low latency is wanted where it has to be. */
const LIVE_EMBEDS = {
  [OURS]: `<script type="module">
      import { Headgate } from '/headgate/index.js';
      const player = new Headgate();
      player.attach(video);
      player.load(url);
    </script>`,
  'hls.js': `<script src="/hls.js/hls.min.js"></script>
    <script>
      const hls = new Hls({ lowLatencyMode: true });
      hls.loadSource(url);
      hls.attachMedia(video);
    </script>`,
  'dash.js': `<script src="/dashjs/dash.all.min.js"></script>
    <script>
      const player = dashjs.MediaPlayer().create();
      player.initialize(video, url, true);
    </script>`,
  Shaka: `<script src="/shaka/shaka-player.compiled.js"></script>
    <script>
      const player = new shaka.Player();
      player.configure({ streaming: { lowLatencyMode: true } });
      player.attach(video).then(() => player.load(url));
    </script>`,
};

/** What its documentation puts before the scripts. */
const HEADS = {
  [OURS]: '<link rel="preload" href="/headgate/player.wasm" as="fetch" type="application/wasm" crossorigin>',
};

/** Both run in the page. */
function firstFrame() {
  video.requestVideoFrameCallback(() => (globalThis.firstFrameMs = performance.now()));
}

/** What was on the screen, and when: milliseconds, seconds of media, pixels. */
function everyFrame() {
  globalThis.frames = [];
  const note = (_, { mediaTime, width }) => {
    frames.push([performance.now(), mediaTime, width]);
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
}

/** Of `?player=&live=URL`: what it plays is sampled by the clock that is burnt into its pictures. */
function livePage(query) {
  return `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>${query.get('player')}</title>
  <link rel="icon" href="data:,">
  <style>body { margin: 0 } video { width: 640px; height: 360px; background: #000 }</style>
  <body>
    <video muted autoplay playsinline></video>
    <script>
      const video = document.querySelector('video');
      const url = ${JSON.stringify(query.get('live'))};
    </script>
    <script type="module">
      import { watch } from '/lib/clock-page.mjs';
      globalThis.samples = watch(video);
    </script>
    ${LIVE_EMBEDS[query.get('player')]}
  </body>
</html>
`;
}

/**
 * Of `?player=&protocol=&manifest=`, where there may be, too: `lowest`; `licence`, then keys are at that path; `manual`, then it begins when `go()` is called; `frames`, then
 * it notes all of them, in place of the first one's time.
 */
export function page(query) {
  if (query.has('live')) return livePage(query);
  const url = `/media/${query.get('manifest')}.${query.get('protocol') === 'HLS' ? 'm3u8' : 'mpd'}`;
  return `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>${query.get('player')}</title>
  <link rel="icon" href="data:,">
  ${HEADS[query.get('player')] ?? ''}
  <style>body { margin: 0 } video { width: 640px; height: 360px; background: #000 }</style>
  <body>
    <video muted autoplay playsinline></video>
    <script>
      const video = document.querySelector('video');
      const url = new URL('${url}', location).href;
      const lowest = ${query.has('lowest')};
      const manual = ${query.has('manual')};
      const servers = ${query.has('licence')} && { 'org.w3.clearkey': new URL(${JSON.stringify(query.get('licence') ?? '')}, location).href };
      const begin = (act) => {
        if (!manual) return act();
        globalThis.go = () => {
          globalThis.beganMs = performance.now();
          act();
        };
      };
      (${query.has('frames') ? everyFrame : firstFrame})();
    </script>
    ${EMBEDS[query.get('player')]}
  </body>
</html>
`;
}
