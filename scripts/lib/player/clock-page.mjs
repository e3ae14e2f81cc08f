// Runs in a page: reads the clock that `headgate-encode live --burn-clock` puts into pictures (`encoder::live::clock` says where), and notes how
// playback fares.

const ACROSS = 40;
const FIRST_COLUMN = 4;
const BITS = 28;
const EVERY_MS = 200;

/** The time that is burnt into what a canvas shows, milliseconds since 1970, nearest to `near`; nothing if none can be read. */
export function readClock(context, width, near) {
  const at = (quarters) => Math.round((width * quarters) / (4 * ACROSS));
  const top = at(5);
  const rows = Math.max(1, at(7) - top);
  const { data } = context.getImageData(0, top, width, rows);
  const luma = (cell) => {
    const [from, to] = [at(4 * (FIRST_COLUMN + cell) + 1), at(4 * (FIRST_COLUMN + cell) + 3)];
    let sum = 0;
    for (let y = 0; y < rows; y++) {
      for (let x = from; x < to; x++) {
        const i = 4 * (y * width + x);
        sum += 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2];
      }
    }
    return sum / (rows * (to - from));
  };
  const [white, black] = [luma(0), luma(1)];
  if (white - black < 64) return undefined;
  const bit = (cell) => Number(luma(cell) > (white + black) / 2);
  let [n, parity, last] = [0, 0, 0];
  for (let i = 0; i < BITS; i++) {
    const gray = bit(2 + i);
    last ^= gray;
    n = n * 2 + last;
    parity ^= gray;
  }
  if (bit(2 + BITS) !== parity || bit(3 + BITS) === parity) return undefined;
  const turn = 2 ** BITS;
  return near + ((((n - near) % turn) + 1.5 * turn) % turn) - turn / 2;
}

/**
 * Samples of a video from its first frame on: `{ at, latency, rate, waiting }`, milliseconds since that, from glass to glass, the playback rate, and
 * whether it has halted. `latency` is null where the picture shows no clock.
 */
export function watch(video) {
  const samples = [];
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let [begun, position, moved] = [0, -1, 0];
  video.requestVideoFrameCallback(() => (begun = performance.now()));
  setInterval(() => {
    const { videoWidth: width, videoHeight: height } = video;
    if (!begun || !width) return;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    context.drawImage(video, 0, 0);
    const [now, at] = [Date.now(), performance.now()];
    if (video.currentTime !== position) [position, moved] = [video.currentTime, at];
    const shown = readClock(context, width, now);
    samples.push({ at: at - begun, latency: shown === undefined ? null : now - shown, rate: video.playbackRate, waiting: at - moved > 2 * EVERY_MS });
  }, EVERY_MS);
  return samples;
}
