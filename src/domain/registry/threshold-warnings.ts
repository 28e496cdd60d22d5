import { sliKinds, sliNames } from '../sli/table.ts';
import { type RegistryInput, type Report, Reporter } from './findings.ts';
import type { Cuj, Service } from './model.ts';
import { thresholdPlaces } from './resolve-cuj.ts';
import type { CujDocument } from './schema.ts';
import type { Source } from './source-dialect.ts';

/** Warns of thresholds by which the source of a service most likely cannot tell slow requests. */
export function warnOfThresholdsInsideBuckets(
  inputs: readonly RegistryInput[],
  services: ReadonlyMap<string, Service | undefined>,
  sources: ReadonlyMap<string, Source | undefined>,
  cujs: ReadonlyMap<string, Cuj>,
  warn: Report,
): void {
  for (const { file, document, broken } of inputs) {
    for (const [index, written] of (document.cujs ?? []).entries()) {
      // What failed the schema may have any shape.
      if (broken?.cujs.has(index) === true) continue;
      const cuj = cujs.get(written.name);
      if (cuj === undefined || !isTimed(cuj)) continue;
      const reporter = new Reporter(warn, file, ['cujs', index]);
      for (const { path, value, service } of thresholdPlaces(written as CujDocument)) {
        // Of these, another warning says that they are seconds.
        if (value < 1) continue;
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
  }
}

function isTimed({ objectives }: Cuj): boolean {
  return sliNames.some((sli) => sliKinds[sli].needsThreshold && objectives[sli] !== undefined);
}
