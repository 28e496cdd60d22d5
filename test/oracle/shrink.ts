import type { CujVerdictRecord } from '../../src/domain/judge/verdict-record.ts';

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };
type Draft = Mutable<Omit<CujVerdictRecord, 'verdict'>>;

const slis = ['availability', 'latency'] as const;

/** A smaller record for which `disagrees` still holds: a greedy search, small enough to read. */
export async function shrink(
  record: Omit<CujVerdictRecord, 'verdict'>,
  disagrees: (record: Omit<CujVerdictRecord, 'verdict'>) => Promise<boolean>,
  tries = 400,
): Promise<Omit<CujVerdictRecord, 'verdict'>> {
  let best = structuredClone(record) as Draft;
  let left = tries;
  let smaller = true;
  while (smaller && left > 0) {
    smaller = false;
    for (const change of changesOf(best)) {
      const attempt = structuredClone(best);
      change(attempt);
      if (JSON.stringify(attempt) === JSON.stringify(best)) continue;
      left -= 1;
      if (await disagrees(attempt as Omit<CujVerdictRecord, 'verdict'>)) {
        best = attempt;
        smaller = true;
      }
      if (left <= 0) break;
    }
  }
  return best as Omit<CujVerdictRecord, 'verdict'>;
}

function* changesOf({ cuj, measurement }: Draft): Generator<(draft: Draft) => void> {
  for (const sli of slis) {
    yield (draft) => {
      const { [sli]: _, ...rest } = draft.measurement;
      if (!slis.some((name) => name in rest)) return;
      draft.measurement = rest as Draft['measurement'];
      delete draft.cuj.objectives[sli];
    };
  }
  for (const { service, resource } of cuj.endpoints) {
    yield (draft) => {
      for (const sli of slis) {
        const rest = draft.measurement[sli]?.filter((e) => e.service !== service || e.resource !== resource);
        if (rest !== undefined && rest.length > 0) draft.measurement[sli] = rest;
      }
    };
  }
  yield ({ options }) => {
    for (const name of ['sliCount', 'budgetRule'] as const)
      delete (options as Partial<Mutable<typeof options>>)[name];
  };
  yield (draft) => {
    delete (draft.measurement as Partial<Draft['measurement']>).sinceMs;
  };
  yield (draft) => {
    delete (draft.measurement as Partial<Draft['measurement']>).windowMs;
  };
  yield (draft) => {
    delete (draft.measurement as Partial<Draft['measurement']>).recent;
    for (const sli of slis)
      for (const endpoint of draft.measurement[sli] ?? []) {
        delete endpoint.recentBad;
        delete endpoint.recentLateMs;
      }
  };
  yield ({ cuj: { gate } }) => {
    delete gate.warmUpMs;
    delete gate.minFaultMs;
  };
  yield ({ cuj: { gate } }) => Object.assign(gate, { minRequests: 0, falseAbort: 0.05, ruleOutBurn: 14.4 });
  yield (draft) => {
    draft.cuj.mode = 'enforce';
  };
  yield ({ measurement }) => {
    for (const sli of slis)
      for (const e of measurement[sli] ?? []) Object.assign(e, { sampleRate: 1, dispersion: 1 });
  };
  const minutes = Math.ceil((measurement.toMs - measurement.fromMs) / 60_000);
  for (let size = Math.ceil(minutes / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < minutes; from += size) {
      yield (draft) => eachList(draft, (list) => list.fill(0, from, from + size));
    }
  }
  yield (draft) =>
    eachList(draft, (list) => list.splice(0, list.length, ...list.map((n) => Math.floor(n / 2))));
  for (const sli of slis) {
    for (const [i] of (measurement[sli] ?? []).entries()) {
      for (const side of ['canary', 'stable'] as const) {
        yield (draft) => {
          const endpoint = draft.measurement[sli]?.[i];
          endpoint?.[side].bad.fill(0);
          if (side === 'canary') endpoint?.recentBad?.fill(0);
        };
        yield (draft) => delete draft.measurement[sli]?.[i]?.[side].withStatus;
        yield (draft) => delete draft.measurement[sli]?.[i]?.[side].unclassified;
      }
    }
  }
}

function eachList({ measurement }: Draft, change: (list: number[]) => void): void {
  const { overlappingServices = [], ...whole } = measurement.whole;
  for (const list of Object.values(whole)) change(list);
  for (const { canary, overlapping } of overlappingServices)
    for (const list of [canary, overlapping]) change(list);
  for (const sli of slis)
    for (const { canary, stable } of measurement[sli] ?? [])
      for (const { total, bad, withStatus, unclassified } of [canary, stable])
        for (const list of [total, bad, withStatus, unclassified]) if (list !== undefined) change(list);
}
