import { readMeasurement, type WrittenMeasurement, writeMeasurement } from '../metrics/measurement-json.ts';
import type { Measurement } from '../metrics/metrics-source.ts';
import type { Cuj } from '../registry/model.ts';
import { type JudgeOptions, judge, type Verdict } from './judge.ts';
import { judgeService, type ServiceVerdict } from './judge-service.ts';

export const cujRecordFormat = 'cuj-gate/verdict-record/v1';
export const serviceRecordFormat = 'cuj-gate/service-verdict-record/v1';

/** A verdict about a CUJ with all its inputs, so that it can be judged again. */
export interface CujVerdictRecord {
  readonly format: typeof cujRecordFormat;
  readonly cuj: Cuj;
  readonly options: JudgeOptions;
  readonly measurement: WrittenMeasurement;
  readonly verdict: Verdict;
}

/** A verdict about a service, with the records of all its CUJs. */
export interface ServiceVerdictRecord {
  readonly format: typeof serviceRecordFormat;
  readonly service: string;
  readonly registry: string;
  readonly records: readonly CujVerdictRecord[];
  readonly verdict: ServiceVerdict;
}

export type VerdictRecord = CujVerdictRecord | ServiceVerdictRecord;

/** A verdict about a CUJ with the data it was made from. */
export interface JudgedCuj {
  readonly verdict: Verdict;
  readonly cuj: Cuj;
  readonly options: JudgeOptions;
  /** Absent where the source failed. */
  readonly measurement?: Measurement;
}

/** The record of a verdict about a CUJ; undefined where nothing was measured. */
export function recordOf({ cuj, options, measurement, verdict }: JudgedCuj): CujVerdictRecord | undefined {
  if (measurement === undefined) return undefined;
  return { format: cujRecordFormat, cuj, options, measurement: writeMeasurement(measurement), verdict };
}

/** The record of a verdict about a service; undefined where a CUJ of it was not measured. */
export function serviceRecordOf(
  verdict: ServiceVerdict,
  judged: readonly JudgedCuj[],
): ServiceVerdictRecord | undefined {
  const records = judged.map(recordOf);
  if (!records.every((record) => record !== undefined)) return undefined;
  return {
    format: serviceRecordFormat,
    service: verdict.service,
    registry: verdict.registry,
    records,
    verdict,
  };
}

/** Parses a record. Throws an Error whose message says what is invalid. */
export function parseRecord(text: string): VerdictRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not JSON (${(error as Error).message})`);
  }
  return readRecord(value);
}

/** A record that was read from JSON. Throws an Error whose message says what is invalid. */
export function readRecord(value: unknown): VerdictRecord {
  const record = value as Partial<VerdictRecord> | null;
  if (
    typeof record !== 'object' ||
    record === null ||
    (record.format !== cujRecordFormat && record.format !== serviceRecordFormat)
  )
    throw new Error(
      `it is not a verdict record: its "format" should be "${cujRecordFormat}" or "${serviceRecordFormat}"`,
    );
  if (record.format === cujRecordFormat) {
    ensureMembers(record, ['cuj', 'options', 'measurement', 'verdict']);
    return record as CujVerdictRecord;
  }
  ensureMembers(record, ['records', 'verdict']);
  const { records } = record as ServiceVerdictRecord;
  if (!Array.isArray(records)) throw new Error('its "records" is not a list');
  for (const one of records) {
    if (readRecord(one).format !== cujRecordFormat) throw new Error('its "records" are not records of CUJs');
  }
  return record as ServiceVerdictRecord;
}

function ensureMembers(record: object, members: readonly string[]): void {
  for (const member of members) {
    const value = (record as Readonly<Record<string, unknown>>)[member];
    if (typeof value !== 'object' || value === null) throw new Error(`its "${member}" is missing`);
  }
}

/** Judges a record again, and reports whether the verdict is the same, byte for byte. */
export function judgeAgain(record: VerdictRecord): {
  readonly verdict: Verdict | ServiceVerdict;
  readonly same: boolean;
} {
  const verdict =
    record.format === cujRecordFormat
      ? judgeCujAgain(record)
      : judgeService(record.service, record.registry, record.records.map(judgeCujAgain));
  return { verdict, same: JSON.stringify(verdict) === JSON.stringify(record.verdict) };
}

function judgeCujAgain({ cuj, measurement, options }: CujVerdictRecord): Verdict {
  return judge(cuj, readMeasurement(measurement), options);
}
