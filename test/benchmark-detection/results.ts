/** The results of a benchmark, as they are stored. */
import { digestOf } from '../simulate-rollouts/simulate.ts';
import type { CellResult, Tuning } from './benchmark.ts';
import { intervalMs, lagMs, sample } from './gate-detector.ts';
import { arrivalMs } from './traffic.ts';

export interface Results {
  readonly seed: number;
  /** Rollouts a cell. */
  readonly runs: number;
  /** Good rollouts of each traffic and multiple. */
  readonly good: number;
  /** Digest of the gate's policy and of the generated metrics. */
  readonly sample: string;
  /** Digest of tunings and cells. */
  readonly checksum: string;
  /** Until a bucket can be queried; the age of what the gate sees; and how often the gate is asked. */
  readonly arrivalSeconds: number;
  readonly lagSeconds: number;
  readonly intervalSeconds: number;
  readonly tunings: readonly Tuning[];
  readonly cells: readonly CellResult[];
}

export const sampleDigest = digestOf(sample);

export function resultsOf(
  made: Pick<Results, 'seed' | 'runs' | 'good'>,
  tunings: readonly Tuning[],
  cells: readonly CellResult[],
): Results {
  return {
    ...made,
    sample: sampleDigest,
    checksum: digestOf([tunings, cells]),
    arrivalSeconds: arrivalMs / 1000,
    lagSeconds: lagMs / 1000,
    intervalSeconds: intervalMs / 1000,
    tunings,
    cells,
  };
}

/** One tuning or cell a line, so that a change shows what has changed. */
export function jsonOf({ tunings, cells, ...rest }: Results): string {
  const lines = (of: readonly unknown[]) =>
    of.length === 0 ? '[]' : `[\n    ${of.map((each) => JSON.stringify(each)).join(',\n    ')}\n  ]`;
  const head = JSON.stringify(rest, null, 2).slice(0, -2);
  return `${head},\n  "tunings": ${lines(tunings)},\n  "cells": ${lines(cells)}\n}\n`;
}
