import { request } from 'undici';
import type { HeapAfterCollection } from './gates.ts';
import type { Inspector } from './inspector.ts';

/** Metrics of a gate about its own process. */
export interface Reading {
  readonly residentMb: number;
  readonly openFiles: number;
  readonly inflight: number;
}

export async function readMetrics(url: string): Promise<Reading> {
  const { body } = await request(`${url}/metrics`);
  const text = await body.text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    residentMb: value('process_resident_memory_bytes') / 1e6,
    openFiles: value('process_open_fds'),
    inflight: value('cuj_gate_inflight_questions'),
  };
}

/** The allowed part of the chart's memory limit (512 MiB), with memory that V8 has not released yet. */
const maxResidentMb = 400;
const spareFiles = 12;
/**
 * The allowed growth between two collections after the same requests (compiled code, pending requests): in a run that is
 * long enough for medians, in a short one, and after the first minute, in which all code runs for the first time.
 */
const spareHeapMb = { long: 3, short: 6, cold: 10 };
/** The number of collections from which on medians are compared. */
const manyCollections = 9;

/**
 * Compares the live memory of the last quarter with that of the second one: the first is warm-up. A short run has too few
 * collections for that: it compares the last of them with the first after a minute, or with the very first.
 */
export function checkMemory(
  inspector: Inspector,
  heaps: readonly HeapAfterCollection[],
  readings: readonly Reading[],
): void {
  const sizes = heaps.map(({ heapMb, externalMb }) => heapMb + externalMb);
  const [warm, late] =
    sizes.length >= manyCollections ? quarters(sizes) : [sizes[sizes.length > 2 ? 1 : 0], sizes.at(-1)];
  const spareMb = spareHeapMb[sizes.length >= manyCollections ? 'long' : sizes.length > 2 ? 'short' : 'cold'];
  const series = heaps
    .map(({ heapMb, externalMb }) => `${heapMb.toFixed(1)}+${externalMb.toFixed(1)}`)
    .join(' ');
  const text = `from ${warm?.toFixed(1)} to ${late?.toFixed(1)} MB (heap+external by minute: ${series})`;
  const most = Math.max(...readings.map(({ residentMb }) => residentMb));
  console.log(
    `memory of the steady gate after a collection: ${text}; resident ${most.toFixed(0)} MB at most`,
  );
  const isFlat = sizes.length > 1 && warm !== undefined && late !== undefined && late - warm <= spareMb;
  inspector.note(
    'memory after a collection is flat',
    ...(isFlat ? [] : [`${text}: more than ${spareMb} MB grown`]),
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
  last: Reading,
  lost: number,
): void {
  const [warm, late] = quarters(readings.map(({ openFiles }) => openFiles));
  const files = `${warm} open files in the second quarter, ${late} in the last, ${last.openFiles} at rest`;
  console.log(`of the steady gate: ${files}`);
  const bounded = late <= warm + spareFiles && last.openFiles <= warm + spareFiles;
  inspector.note('open files are bounded', ...(bounded ? [] : [files]));
  const waiting = last.inflight === 0 && lost === 0;
  inspector.note(
    'no request is left pending',
    ...(waiting ? [] : [`${last.inflight} in the gate, ${lost} here`]),
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
