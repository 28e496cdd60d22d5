import { request } from 'undici';
import type { HeapAfterCollection } from './gates.ts';
import type { Inspector } from './inspector.ts';

/** Metrics of a gate about its own process. */
export interface Reading {
  readonly residentMb: number;
  readonly openFiles: number;
  readonly inflight: number;
  /** When the current registry was loaded, seconds since the epoch. */
  readonly registryLoadedAt: number;
}

/** Undefined where the gate gives no answer: that it is gone is another claim's matter, and must be reported. */
export async function readMetrics(url: string): Promise<Reading | undefined> {
  const text = await request(`${url}/metrics`)
    .then(({ body }) => body.text())
    .catch(() => undefined);
  if (text === undefined) return undefined;
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    residentMb: value('process_resident_memory_bytes') / 1e6,
    openFiles: value('process_open_fds'),
    inflight: value('cuj_gate_inflight_requests'),
    registryLoadedAt: value('cuj_gate_registry_loaded_timestamp_seconds'),
  };
}

/** The allowed part of the chart's memory limit (512 MiB), with memory that V8 has not released yet. */
const maxResidentMb = 400;
const spareFiles = 12;
/**
 * The allowed growth between two collections with the same remembered verdicts. Pending requests add up to 4 MB to one
 * collection: the lowest of many is hardly affected, the lowest of two is. A short run has no quarters, and in the first
 * minute all code runs for the first time.
 */
const maxGrowthMb = { manyPerQuarter: 3, fewPerQuarter: 5, short: 6, cold: 10 };
/** Collections from which quarters are compared. */
const minForQuarters = 9;
const manyPerQuarter = 4;

/** How what is alive after a collection grew in a run, in MB. */
export interface Growth {
  readonly fromMb: number;
  readonly toMb: number;
  readonly limitMb: number;
  readonly isFlat: boolean;
}

/**
 * Compares the lowest of the last quarter of the collections with the lowest of the second one: the first is warm-up. What
 * is under way at a collection adds to it, and differs from one to the next; a leak lifts the lowest as well. A short run
 * has too few collections for that, and compares the last of them with the first after a minute, or with the first of all.
 */
export function growthOf(sizesMb: readonly number[]): Growth {
  const count = sizesMb.length;
  const quarter = Math.floor(count / 4);
  const [from, to, limitMb] =
    count >= minForQuarters
      ? [
          sizesMb.slice(quarter, 2 * quarter),
          sizesMb.slice(-quarter),
          quarter >= manyPerQuarter ? maxGrowthMb.manyPerQuarter : maxGrowthMb.fewPerQuarter,
        ]
      : count > 2
        ? [sizesMb.slice(1, 2), sizesMb.slice(-1), maxGrowthMb.short]
        : [sizesMb.slice(0, 1), sizesMb.slice(1), maxGrowthMb.cold];
  const fromMb = Math.min(...from);
  const toMb = Math.min(...to);
  return { fromMb, toMb, limitMb, isFlat: toMb - fromMb <= limitMb };
}

export function checkMemory(
  inspector: Inspector,
  heaps: readonly HeapAfterCollection[],
  readings: readonly Reading[],
): void {
  const { fromMb, toMb, limitMb, isFlat } = growthOf(
    heaps.map(({ heapMb, externalMb }) => heapMb + externalMb),
  );
  const series = heaps
    .map(({ heapMb, externalMb }) => `${heapMb.toFixed(1)}+${externalMb.toFixed(1)}`)
    .join(' ');
  const text = `from ${fromMb.toFixed(1)} to ${toMb.toFixed(1)} MB (heap+external by minute: ${series})`;
  const most = Math.max(...readings.map(({ residentMb }) => residentMb));
  console.log(
    `memory of the steady gate after a collection: ${text}; resident ${most.toFixed(0)} MB at most`,
  );
  inspector.note(
    'memory after a collection is flat',
    ...(isFlat ? [] : [`${text}: more than ${limitMb} MB grown`]),
  );
  inspector.note(
    'resident memory is bounded',
    ...(most <= maxResidentMb ? [] : [`${most.toFixed(0)} MB, more than ${maxResidentMb}`]),
  );
}

/** `last` was read at rest, after the load. `lost` questions never got an answer. */
export function checkLeftovers(
  inspector: Inspector,
  readings: readonly Reading[],
  last: Reading | undefined,
  lost: number,
): void {
  const [warm, late] = quarters(readings.map(({ openFiles }) => openFiles));
  const files = `${warm} open files in the second quarter, ${late} in the last, ${last?.openFiles ?? '?'} at rest`;
  console.log(`of the steady gate: ${files}`);
  const bounded = [late, last?.openFiles ?? Number.NaN].every((count) => count <= warm + spareFiles);
  inspector.note('open files are bounded', ...(bounded ? [] : [files]));
  const waiting = last?.inflight === 0 && lost === 0;
  inspector.note(
    'no request is left pending',
    ...(waiting ? [] : [`${last?.inflight ?? '?'} in the gate, ${lost} here`]),
  );
}

/** The medians of the second quarter and of the last. */
function quarters(values: readonly number[]): [warm: number, late: number] {
  const quarter = Math.floor(values.length / 4);
  return [median(values.slice(quarter, 2 * quarter)), median(values.slice(3 * quarter))];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
