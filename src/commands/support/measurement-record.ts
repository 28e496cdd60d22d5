import { type JudgeOptions, judge, type Verdict } from '../../domain/judge/judge.ts';
import {
  readMeasurement,
  type WrittenMeasurement,
  writeMeasurement,
} from '../../domain/metrics/measurement-json.ts';
import type { Cuj } from '../../domain/registry/model.ts';
import type { Evaluation } from '../../evaluation/evaluator.ts';

const format = 'cuj-gate/verdict-record/v1';

/** A verdict with all its inputs, so that it can be judged again. */
export interface VerdictRecord {
  readonly format: typeof format;
  readonly cuj: Cuj;
  readonly options: JudgeOptions;
  readonly measurement: WrittenMeasurement;
  readonly verdict: Verdict;
}

/** The record of an evaluation; undefined where nothing was measured. */
export function recordOf({ cuj, options, measurement, verdict }: Evaluation): VerdictRecord | undefined {
  if (measurement === undefined) return undefined;
  return { format, cuj, options, measurement: writeMeasurement(measurement), verdict };
}

/** Parses a record. Throws an Error whose message says what is invalid. */
export function parseRecord(text: string): VerdictRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not JSON (${(error as Error).message})`);
  }
  const record = value as Partial<VerdictRecord> | null;
  if (typeof record !== 'object' || record === null || record.format !== format) {
    throw new Error(`it is not a verdict record: its "format" should be "${format}"`);
  }
  for (const member of ['cuj', 'options', 'measurement', 'verdict'] as const) {
    if (typeof record[member] !== 'object' || record[member] === null)
      throw new Error(`its "${member}" is missing`);
  }
  return record as VerdictRecord;
}

/** Judges a record again, and reports whether the verdict is the same, byte for byte. */
export function judgeAgain(record: VerdictRecord): { readonly verdict: Verdict; readonly same: boolean } {
  const verdict = judge(record.cuj, readMeasurement(record.measurement), record.options);
  return { verdict, same: JSON.stringify(verdict) === JSON.stringify(record.verdict) };
}
