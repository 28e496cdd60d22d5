/** The releases that the detectors are compared on. Rates are failure rates, 0 to 1; times are ms. */

/** The error budget of the simulated CUJ: its objective is 99.95%. */
export const budget = 0.0005;
/** The canary's share of all traffic, for the whole rollout. */
export const canaryShare = 0.25;
/** The CUJ's share of the service's traffic. */
export const cujShare = 0.2;
/** What stable and a good release fail at, as a multiple of the allowed rate. */
export const ordinary = 0.2;

/** The CUJ's endpoints, and their shares of its traffic. The last one is the one that can fail completely. */
export const endpoints = [
  { label: 'GET /cart', share: 0.4 },
  { label: 'POST /orders', share: 0.3 },
  { label: 'POST /payments', share: 0.2 },
  { label: 'POST /receipts', share: 0.1 },
] as const;

/** Requests of the canary on the CUJ, a minute. */
export const traffics = [50, 200, 2000] as const;

export const sizes = ['5x', '20x', 'endpoint'] as const;
export type Size = (typeof sizes)[number];
export const shapes = ['step', 'ramp', 'burst'] as const;
export type Shape = (typeof shapes)[number];
/** Minutes from the canary's first request until the fault begins. */
export const onsets = [0, 10, 60] as const;

export interface Fault {
  readonly size: Size;
  readonly shape: Shape;
  readonly onsetMinutes: number;
}

export interface Cell extends Fault {
  readonly requestsPerMinute: number;
}

/** How long a fault is watched, and how long a good rollout is. */
export const horizonMs = 60 * 60_000;

export const sizeNames: Readonly<Record<Size, string>> = {
  '5x': '5 times the allowed rate',
  '20x': '20 times the allowed rate',
  endpoint: 'one endpoint fails completely',
};

const rampMs = 10 * 60_000;
const burst = { everyMs: 5 * 60_000, lastsMs: 60_000 } as const;

/** What the fault's rate is multiplied by, so long after it began. A burst has the same mean as a step. */
function levelOf(shape: Shape, sinceMs: number): number {
  switch (shape) {
    case 'step':
      return 1;
    case 'ramp':
      return Math.min(1, sinceMs / rampMs);
    case 'burst':
      return sinceMs % burst.everyMs < burst.lastsMs ? burst.everyMs / burst.lastsMs : 0;
  }
}

function peakOf(size: Size, endpoint: number): number | undefined {
  if (size === 'endpoint') return endpoint === endpoints.length - 1 ? 1 : undefined;
  return (size === '5x' ? 5 : 20) * budget;
}

export function isAtFault(size: Size, endpoint: number): boolean {
  return peakOf(size, endpoint) !== undefined;
}

/** The rate at which an endpoint fails by the fault, so long after it began; 0 where and while it does not. */
export function faultRate(
  { size, shape }: Pick<Fault, 'size' | 'shape'>,
  endpoint: number,
  sinceMs: number,
): number {
  const peak = peakOf(size, endpoint);
  if (peak === undefined || sinceMs < 0) return 0;
  return Math.min(1, peak * levelOf(shape, sinceMs));
}

/** All cells, in the order of the tables. */
export function cellsOf(wanted: {
  readonly traffics: readonly number[];
  readonly sizes: readonly Size[];
  readonly shapes: readonly Shape[];
  readonly onsets: readonly number[];
}): Cell[] {
  return wanted.shapes.flatMap((shape) =>
    wanted.traffics.flatMap((requestsPerMinute) =>
      wanted.sizes.flatMap((size) =>
        wanted.onsets.map((onsetMinutes) => ({ requestsPerMinute, size, shape, onsetMinutes })),
      ),
    ),
  );
}
