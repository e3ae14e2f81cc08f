// Latency over time, one line a player, as a picture.

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT] = [960, 420, 50, 20, 40, 190];
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** An SVG of `[{ name, samples: [{ at, latency }] }]`, milliseconds. */
export function plotOf(series) {
  const all = series.flatMap(({ samples }) => samples);
  const endMs = Math.max(1000, ...all.map(({ at }) => at));
  const highest = Math.min(20, Math.ceil(Math.max(1, ...all.map(({ latency }) => (latency ?? 0) / 1000))));
  const x = (ms) => LEFT + (ms / endMs) * (WIDTH - LEFT - RIGHT);
  const y = (s) => HEIGHT - BOTTOM - (Math.min(s, highest) / highest) * (HEIGHT - TOP - BOTTOM);
  const grid = Array.from({ length: highest + 1 }, (_, s) => `<path d="M${LEFT} ${y(s)}H${WIDTH - RIGHT}" stroke="#ddd"/><text x="${LEFT - 8}" y="${y(s) + 4}" text-anchor="end">${s}</text>`);
  const minutes = Array.from({ length: Math.floor(endMs / 60_000) + 1 }, (_, m) => `<text x="${x(m * 60_000)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${m}</text>`);
  const lines = series.map(({ samples }, i) => {
    const points = samples.filter(({ latency }) => latency !== null).map(({ at, latency }) => `${x(at).toFixed(1)},${y(latency / 1000).toFixed(1)}`);
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${COLOURS[i % COLOURS.length]}"/>`;
  });
  const names = series.map(({ name }, i) => `<text x="${WIDTH - RIGHT + 12}" y="${TOP + 18 * (i + 1)}" fill="${COLOURS[i % COLOURS.length]}">${name}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${[...grid, ...minutes, ...lines, ...names].join('\n')}
<text x="${LEFT}" y="14">seconds from glass to glass</text>
<text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">minutes</text>
</svg>
`;
}
