import { sliKinds, sliNames } from '../sli/table.ts';
import { type RegistryInput, type Report, Reporter } from './findings.ts';
import type { Cuj, Service } from './model.ts';
import { type ThresholdPlace, thresholdPlaces } from './resolve-cuj.ts';
import type { AnyCujDocument, CujDocument } from './schema.ts';
import type { Source } from './source-dialect.ts';

interface WrittenThreshold {
  readonly cuj: AnyCujDocument;
  readonly place: ThresholdPlace;
  /** Of the CUJ. */
  readonly reporter: Reporter;
}

/** The thresholds of all CUJs that passed the schema: others may have any shape. */
function* writtenThresholds(inputs: readonly RegistryInput[], warn: Report): Generator<WrittenThreshold> {
  for (const { file, document, broken } of inputs) {
    for (const [index, cuj] of (document.cujs ?? []).entries()) {
      if (broken?.cujs.has(index) === true || cuj.retired !== undefined) continue;
      const reporter = new Reporter(warn, file, ['cujs', index]);
      for (const place of thresholdPlaces(cuj as CujDocument)) yield { cuj, place, reporter };
    }
  }
}

/** No service promises less, and `0.3` is a usual threshold in seconds. */
const minThresholdMs = 1;

/** Warns of thresholds below a millisecond. */
export function warnOfThresholds(inputs: readonly RegistryInput[], warn: Report): void {
  for (const { place, reporter } of writtenThresholds(inputs, warn)) {
    const { path, value } = place;
    if (value >= minThresholdMs) continue;
    reporter.value(
      path,
      'threshold-in-seconds',
      value,
      `latencyMs is in milliseconds, and ${value} ms are faster than services are`,
      `Write latencyMs: ${Number((value * 1_000).toPrecision(6))}, if ${value} s are meant.`,
    );
  }
}

/** Warns of other thresholds by which the source of a service most likely cannot tell slow requests. */
export function warnOfThresholdsInsideBuckets(
  inputs: readonly RegistryInput[],
  services: ReadonlyMap<string, Service | undefined>,
  sources: ReadonlyMap<string, Source | undefined>,
  cujs: ReadonlyMap<string, Cuj>,
  warn: Report,
): void {
  for (const { cuj: written, place, reporter } of writtenThresholds(inputs, warn)) {
    const { path, value, service } = place;
    const cuj = cujs.get(written.name);
    if (cuj === undefined || !isTimed(cuj) || value < minThresholdMs) continue;
    const timed = cuj.endpoints.filter(({ latencyMs }) => latencyMs === value);
    const names = service === undefined ? timed.map((one) => one.service) : [service];
    for (const name of new Set(names)) {
      const own = services.get(name);
      const source = own === undefined ? undefined : sources.get(own.source);
      const mistake = source === undefined ? undefined : own?.dialect.thresholdMistake?.(source, value);
      if (mistake === undefined) continue;
      reporter.value(path, 'threshold-inside-bucket', value, mistake.message, mistake.fix);
      break;
    }
  }
}

function isTimed({ objectives }: Cuj): boolean {
  return sliNames.some((sli) => sliKinds[sli].needsThreshold && objectives[sli] !== undefined);
}
