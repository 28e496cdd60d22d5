import { InvalidArgumentError, Option } from 'commander';
import type { Registry } from '../../domain/registry/model.ts';
import type { SampleSteps, StepSizes } from '../../plan/step-sizes.ts';
import { stepSizes } from '../../plan/step-sizes.ts';
import { assumedTraffic, measuredTraffic, slisOfServices } from '../../plan/subjects.ts';
import type { AssumedTraffic, HourlyTraffic } from '../../plan/traffic-plan.ts';
import { nearestNames } from '../../suggestions/nearest.ts';

/** What `--requests-per-minute` says: of each CUJ of a service, canary and stable together. */
export interface GivenTraffic {
  /** Of the services that are not named. */
  readonly others: number | undefined;
  readonly services: ReadonlyMap<string, number>;
}

export function requestsPerMinuteOption(purpose: string): Option {
  return new Option(
    '--requests-per-minute <[service=]n>',
    `requests a minute of each CUJ, canary and stable together; ${purpose}; may be repeated, for one service each`,
  ).argParser(parse);
}

function parse(text: string, known?: GivenTraffic): GivenTraffic {
  const { others, services } = known ?? { others: undefined, services: new Map<string, number>() };
  const at = text.lastIndexOf('=');
  const service = at < 0 ? undefined : text.slice(0, at).trim();
  const number = text.slice(at + 1).trim();
  const value = Number(number);
  if (service === '' || !/^\d{1,9}(\.\d{1,3})?$/.test(number) || !(value > 0))
    throw new InvalidArgumentError('Use a number above 0, or SERVICE=N, such as 40 or member-api=40.');
  if (service === undefined ? others !== undefined : services.has(service))
    throw new InvalidArgumentError(`It is given twice${service === undefined ? '' : ` for ${service}`}.`);
  return service === undefined
    ? { others: value, services }
    : { others, services: new Map([...services, [service, value]]) };
}

/** What is wrong with the name of a service that no CUJ uses, and what to do; undefined where there is no such name. */
export function unknownService(
  registry: Registry,
  names: Iterable<string>,
): { readonly message: string; readonly hint: string } | undefined {
  const known = [...new Set([...registry.cujs.values()].flatMap(({ services }) => services))].sort();
  for (const name of names) {
    if (known.includes(name)) continue;
    const [nearest] = nearestNames(name, known);
    return {
      message: `No CUJ uses a service "${name}".`,
      hint: nearest === undefined ? `Services: ${known.join(', ')}.` : `Did you mean "${nearest}"?`,
    };
  }
  return undefined;
}

/** Steps for the traffic that is given, by the name of a service. Precondition: the registry has the services. */
export function stepsForGiven(
  registry: Registry,
  { others, services }: GivenTraffic,
  sample: SampleSteps,
): ReadonlyMap<string, StepSizes> {
  return stepsFor(
    slisOfServices(registry).flatMap((of) => {
      const requests = services.get(of.service.name) ?? others;
      return requests === undefined ? [] : [assumedTraffic(of, requests)];
    }),
    sample,
  );
}

/** Steps for the traffic that was measured, by the name of a service. */
export function stepsForMeasured(
  registry: Registry,
  traffic: HourlyTraffic,
  sample: SampleSteps,
): ReadonlyMap<string, StepSizes> {
  return stepsFor(
    slisOfServices(registry).flatMap((of) => {
      const counts = traffic.services.get(of.service.name);
      return counts === undefined ? [] : [measuredTraffic(of, counts, traffic)];
    }),
    sample,
  );
}

function stepsFor(all: readonly AssumedTraffic[], sample: SampleSteps): ReadonlyMap<string, StepSizes> {
  const names = [...new Set(all.map(({ service }) => service.name))];
  return new Map(
    names.flatMap((name) => {
      const sizes = stepSizes(
        all.filter(({ service }) => service.name === name),
        sample,
      );
      return sizes === undefined ? [] : [[name, sizes] as const];
    }),
  );
}
