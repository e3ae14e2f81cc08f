// Every way of packaging that others are to read.

import { stream } from './streams.mjs';

/** `protocols` that are to be played; `has` what is in it. */
export const variants = [
  { name: 'segments', make: () => stream('segments') },
  { name: 'single files', make: () => stream('single', '--single-file') },
  { name: 'constant duration', make: () => stream('constant', '--mpd', 'duration') },
  { name: 'parts and short groups of pictures', make: () => stream('parts', '--part-s', '0.5', '--gop-s', '1') },
];
