// Views as a player would report them.

export function viewId(number) {
  return `01890000-0000-7000-8000-${String(number).padStart(12, '0')}`;
}

function beacon(number, seq, t_ms, rest) {
  return {
    v: 1,
    site: 'demo',
    view_id: viewId(number),
    session_id: viewId(900 + number),
    seq,
    sent_at_ms: Date.now(),
    t_ms,
    counters: {},
    ...rest,
  };
}

const info = {
  source: 'https://cdn.example/videos/rivers/hls/master.m3u8',
  protocol: 'hls',
  stream_type: 'vod',
  video_id: 'rivers',
  video_title: 'Where rivers begin',
  duration_ms: 600_000,
  player: 'headgate/0.1.0',
  abr: 'headgate',
  browser: 'Chrome',
  os: 'Linux',
  device: 'desktop',
  page_host: 'watch.example',
  cdn_host: 'cdn.example',
  ladder: [
    { id: 'v480', bandwidth_kbps: 1000, width: 854, height: 480 },
    { id: 'v720', bandwidth_kbps: 2500, width: 1280, height: 720 },
  ],
};

/** Starts in 480 ms, plays 20 s, half of it at 1 and half at 2.5 Mbit/s, rebuffers for 2 s; goes on. */
export function playedView(number, more = {}) {
  const request = (t, media_ms, rendition) => ({
    t, e: 'request', kind: 'segment', track: 'video', rendition, media_ms, bytes: 1_000_000, ttfb_ms: 100, ms: 1100, status: 200,
  });
  const samples = Array.from({ length: 11 }, (_, at) => {
    const t = 1000 + at * 2000;
    return { t, e: 'sample', pos_ms: at * 1800, buffer_ms: at === 5 ? 0 : 4000 + at * 500, kbps: 3000 + at * 100 };
  });
  const events = [
    { t: 520, e: 'first_frame' },
    { t: 520, e: 'playing' },
    { t: 520, e: 'rendition', id: 'v480', kbps: 1000, height: 480 },
    request(1700, 0, 'v480'),
    request(4000, 4000, 'v480'),
    { t: 10_520, e: 'rebuffer_start', cause: 'network' },
    { t: 12_520, e: 'rebuffer_end' },
    { t: 12_520, e: 'playing' },
    { t: 13_000, e: 'rendition', id: 'v720', kbps: 2500, height: 720 },
    request(14_100, 8000, 'v720'),
    ...samples,
  ].sort((a, b) => a.t - b.t);
  return [
    beacon(number, 0, 40, { info: { ...info, ...more }, state: 'starting', counters: { play_intent: true }, events: [{ t: 0, e: 'view_start' }, { t: 40, e: 'play' }] }),
    beacon(number, 1, 24_000, {
      state: 'playing',
      counters: {
        play_intent: true, startup_ms: 480, played_ms: 20_000, rebuffer_ms: 2_000, rebuffer_count: 1, rebuffer_network_ms: 2_000,
        media_ms: 20_000, bitrate_kbps_media_ms: 35_000_000, switches_up: 1, decoded_frames: 500, requests: 3, bytes: 3_000_000,
      },
      events,
    }),
  ];
}

/** Fails before its first frame. */
export function failedView(number, more = {}) {
  const failure = { t: 900, e: 'error', kind: 'manifest', fatal: true, message: 'the playlist is HTML' };
  return [
    beacon(number, 0, 20, { info: { ...info, video_title: 'Harbour at dawn', ...more }, state: 'starting', counters: { play_intent: true }, events: [{ t: 0, e: 'view_start' }, { t: 20, e: 'play' }] }),
    beacon(number, 1, 900, { state: 'failed', counters: { play_intent: true, fatal: 'manifest' }, events: [failure, { t: 900, e: 'view_end' }] }),
  ];
}
