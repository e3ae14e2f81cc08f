// The network between the demo's origin and this page: the origin shapes it as it is asked to.

const SHAPE = 'videos/_origin/shape';

/** What the origin's `PUT /_origin/shape` takes. */
interface ShapeRequest {
  name?: string;
  rate_kbps?: number;
  latency_ms?: number;
  steps?: { duration_ms: number; bandwidth_kbps: number }[];
}

/** What its `GET` answers; `null` without limits. */
export interface ShapeState {
  name: string;
  position_ms: number;
  bandwidth_kbps: number;
}

export interface Throttle {
  label: string;
  hint: string;
  shape: ShapeRequest;
}

/** Down to where only the lowest rendition passes, and back. It begins again at its end. */
const RAMP_KBPS = [10_000, 6000, 3000, 1500, 700, 700, 1500, 4000];

export const throttles: Record<string, Throttle> = {
  none: { label: 'Unlimited', hint: '', shape: {} },
  '3mbps': {
    label: '3 Mbit/s',
    hint: 'steady, round trip 40 ms',
    shape: { name: '3mbps', rate_kbps: 3000, latency_ms: 40 },
  },
  '1mbps': {
    label: '1 Mbit/s',
    hint: 'steady, round trip 60 ms',
    shape: { name: '1mbps', rate_kbps: 1000, latency_ms: 60 },
  },
  ramp: {
    label: 'Falling ramp',
    hint: '10 Mbit/s down to 0.7 and back in 80 s',
    shape: {
      name: 'ramp',
      latency_ms: 40,
      steps: RAMP_KBPS.map((bandwidth_kbps) => ({ duration_ms: 10_000, bandwidth_kbps })),
    },
  },
};

/** Shapes the network from now on. */
export async function setThrottle(name: string): Promise<void> {
  const response = await fetch(SHAPE, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(throttles[name]?.shape ?? {}),
  });
  if (!response.ok) throw new Error(`the origin refused the network: ${await response.text()}`);
}

/** What the network is like now. */
export async function networkState(): Promise<ShapeState | null> {
  const response = await fetch(SHAPE);
  if (!response.ok) throw new Error(`the origin does not tell its network: ${response.status}`);
  return response.json() as Promise<ShapeState | null>;
}
