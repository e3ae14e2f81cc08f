// Knows a picture of the clip again by its smallness: what is left of it in a few pixels.

import { ffmpeg } from './streams.mjs';

/** Pixels of it, four bytes each (RGBA). */
export const WIDTH = 16;
export const HEIGHT = 9;
const BYTES = WIDTH * HEIGHT * 4;
/** How many of a second are looked at. */
export const PER_SECOND = 10;

const clips = new Map();

/** The pictures of a clip. */
export function picturesOf(clip) {
  if (!clips.has(clip)) clips.set(clip, shrink(clip));
  return clips.get(clip);
}

/** The time in seconds of that of the clip's `pictures` which is the most like `seen`, and how unlike they are: the mean of bytes. */
export function recognise(seen, pictures) {
  let best = { distance: Infinity };
  pictures.forEach((picture, at) => {
    let distance = 0;
    for (let byte = 0; byte < BYTES; byte++) distance += Math.abs(picture[byte] - seen[byte]) / BYTES;
    if (distance < best.distance) best = { time: at / PER_SECOND, distance };
  });
  return best;
}

async function shrink(clip) {
  const filter = `fps=${PER_SECOND}:round=up,scale=${WIDTH}:${HEIGHT}:flags=area`;
  const bytes = await ffmpeg('-i', clip, '-an', '-vf', filter, '-f', 'rawvideo', '-pix_fmt', 'rgba', '-');
  return Array.from({ length: bytes.length / BYTES }, (_, at) => bytes.subarray(at * BYTES, (at + 1) * BYTES));
}
