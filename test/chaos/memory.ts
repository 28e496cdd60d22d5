import { request } from 'undici';
import type { Inspector } from './inspector.ts';

/** What a gate says about its own process. */
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

/** What V8 may take beyond what it had, before anybody speaks of a leak: heap that no collection was worth yet. */
const spareMb = 60;
const spareFiles = 12;

/** Compares the last quarter with the second one: the first is warm-up. */
export function checkMemory(
  inspector: Inspector,
  readings: readonly Reading[],
  last: Reading,
  lost: number,
): void {
  const quarter = Math.floor(readings.length / 4);
  const warm = readings.slice(quarter, 2 * quarter);
  const late = readings.slice(3 * quarter);
  const of = (some: readonly Reading[], what: 'residentMb' | 'openFiles') =>
    median(some.map((one) => one[what]));
  const grown = of(late, 'residentMb') - of(warm, 'residentMb');
  const memory = `${of(warm, 'residentMb').toFixed(0)} MB, then ${of(late, 'residentMb').toFixed(0)} MB`;
  console.log(
    `memory of the steady gate: ${memory}; open files ${of(warm, 'openFiles')}, then ${of(late, 'openFiles')}, at rest ${last.openFiles}`,
  );
  inspector.note('memory is bounded', ...(grown <= spareMb ? [] : [memory]));
  const files = `${of(warm, 'openFiles')} open files, ${of(late, 'openFiles')} in the end, ${last.openFiles} at rest`;
  const bounded =
    of(late, 'openFiles') <= of(warm, 'openFiles') + spareFiles &&
    last.openFiles <= of(warm, 'openFiles') + spareFiles;
  inspector.note('open files are bounded', ...(bounded ? [] : [files]));
  const waiting = last.inflight === 0 && lost === 0;
  inspector.note(
    'nothing is left waiting',
    ...(waiting ? [] : [`${last.inflight} in the gate, ${lost} here`]),
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
