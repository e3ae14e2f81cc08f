// The last minute: bitrates above, buffer below.

const SPAN_MS = 60_000;
/** Share of the height for the bitrates; below them, with a gap, the buffer. */
const UPPER = 0.68;
const GAP = 14;
const LEFT = 44;
const BOTTOM = 18;

export interface Point {
  /** `performance.now()`. */
  at: number;
  /** kbit/s; `null` = unknown. */
  renditionKbps: number | null;
  estimateKbps: number | null;
  /** `null` = without limits. */
  networkKbps: number | null;
  bufferS: number;
}

interface Palette {
  text: string;
  grid: string;
  rendition: string;
  renditionFill: string;
  estimate: string;
  network: string;
  buffer: string;
  bufferFill: string;
}

export class Chart {
  /** The highest bitrate of the ladder, kbit/s. */
  ladderKbps = 1000;
  readonly #canvas: HTMLCanvasElement;
  readonly #points: Point[] = [];

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  add(point: Point): void {
    this.#points.push(point);
    // One older than the span stays: lines begin at the left edge.
    while ((this.#points[1]?.at ?? Infinity) < point.at - SPAN_MS) this.#points.shift();
    this.#draw();
  }

  #draw(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const context = this.#canvas.getContext('2d');
    if (!context || width === 0) return;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    const palette = this.#palette();
    context.font = '11px system-ui, sans-serif';

    const upper = { top: 6, bottom: Math.round((height - BOTTOM) * UPPER) };
    const lower = { top: upper.bottom + GAP, bottom: height - BOTTOM };
    const points = this.#points;
    // Throughput far above the ladder is no reason to draw the ladder small: it is cut off at twice its height.
    const highest = Math.max(...points.flatMap(({ renditionKbps, estimateKbps, networkKbps }) => [renditionKbps ?? 0, estimateKbps ?? 0, networkKbps ?? 0]));
    const kbpsTop = nice(Math.max(this.ladderKbps * 1.1, Math.min(highest, this.ladderKbps * 2)));
    const bufferTop = nice(Math.max(10, ...points.map(({ bufferS }) => bufferS)));
    const now = points.at(-1)?.at ?? 0;
    const x = (at: number) => LEFT + ((at - now + SPAN_MS) / SPAN_MS) * (width - LEFT);
    const kbpsY = (kbps: number) => upper.bottom - (Math.min(kbps, kbpsTop) / kbpsTop) * (upper.bottom - upper.top);
    const bufferY = (s: number) => lower.bottom - (Math.min(s, bufferTop) / bufferTop) * (lower.bottom - lower.top);

    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (const share of [0, 0.5, 1]) {
      rule(context, palette, kbpsY(kbpsTop * share), width, `${trim((kbpsTop * share) / 1000)} M`);
    }
    for (const share of [0, 1]) rule(context, palette, bufferY(bufferTop * share), width, `${trim(bufferTop * share)} s`);
    context.textBaseline = 'alphabetic';
    context.fillStyle = palette.text;
    for (const ago of [60, 45, 30, 15, 0]) {
      context.textAlign = ago === 60 ? 'left' : ago === 0 ? 'right' : 'center';
      context.fillText(ago === 0 ? 'now' : `−${ago} s`, x(now - ago * 1000), height - 4);
    }

    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT, height - BOTTOM + 1);
    context.clip();
    context.lineJoin = 'round';
    area(context, steps(points, x, ({ renditionKbps }) => renditionKbps, kbpsY), upper.bottom, palette.rendition, palette.renditionFill);
    line(context, steps(points, x, ({ networkKbps }) => networkKbps, kbpsY), palette.network, 1.5, [5, 4]);
    line(context, straight(points, x, ({ estimateKbps }) => estimateKbps, kbpsY), palette.estimate, 2, []);
    area(context, straight(points, x, ({ bufferS }) => bufferS, bufferY), lower.bottom, palette.buffer, palette.bufferFill);
    context.restore();
  }

  #palette(): Palette {
    const style = getComputedStyle(this.#canvas);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    return {
      text: colour('text-muted'),
      grid: colour('line'),
      rendition: colour('chart-rendition'),
      renditionFill: colour('chart-rendition-fill'),
      estimate: colour('chart-estimate'),
      network: colour('chart-network'),
      buffer: colour('chart-buffer'),
      bufferFill: colour('chart-buffer-fill'),
    };
  }
}

type Run = [x: number, y: number][];

/** Lines through the known values, broken where there is none. */
function straight(points: Point[], x: (at: number) => number, value: (point: Point) => number | null, y: (value: number) => number): Run[] {
  const runs: Run[] = [[]];
  for (const point of points) {
    const known = value(point);
    if (known === null) runs.push([]);
    else runs.at(-1)?.push([x(point.at), y(known)]);
  }
  return runs.filter((run) => run.length > 0);
}

/** The same, each value kept until the next. */
function steps(...of: Parameters<typeof straight>): Run[] {
  return straight(...of).map((run) =>
    run.flatMap(([x, y], i) => {
      const before = run[i - 1];
      return before && before[1] !== y ? ([[x, before[1]], [x, y]] as Run) : ([[x, y]] as Run);
    }),
  );
}

function trace(context: CanvasRenderingContext2D, run: Run): void {
  context.beginPath();
  for (const [i, [x, y]] of run.entries()) i === 0 ? context.moveTo(x, y) : context.lineTo(x, y);
}

function line(context: CanvasRenderingContext2D, runs: Run[], colour: string, width: number, dash: number[]): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  for (const run of runs) {
    trace(context, run);
    context.stroke();
  }
  context.setLineDash([]);
}

function area(context: CanvasRenderingContext2D, runs: Run[], bottom: number, colour: string, fill: string): void {
  context.fillStyle = fill;
  for (const run of runs) {
    trace(context, run);
    context.lineTo(run.at(-1)?.[0] ?? 0, bottom);
    context.lineTo(run[0]?.[0] ?? 0, bottom);
    context.fill();
  }
  line(context, runs, colour, 2, []);
}

function rule(context: CanvasRenderingContext2D, palette: Palette, y: number, width: number, label: string): void {
  const crisp = Math.round(y) + 0.5;
  context.strokeStyle = palette.grid;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(LEFT, crisp);
  context.lineTo(width, crisp);
  context.stroke();
  context.fillStyle = palette.text;
  context.fillText(label, LEFT - 8, crisp);
}

/** The next 1, 2, 4, 6 or 8 × 10ⁿ. */
function nice(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * ([1, 2, 4, 6, 8, 10].find((step) => step * unit >= value) ?? 10);
}

function trim(value: number): string {
  return String(Number(value.toFixed(1)));
}
