import { readEnvironments } from './environments.ts';
import { type Finding, pathText, type RegistryInput } from './findings.ts';
import type { Registry, RegistrySet } from './model.ts';
import { maxFindings, type Resolution, type ResolveOptions, resolveInSteps } from './resolve.ts';

export type SetResolution =
  | {
      readonly ok: true;
      readonly registries: RegistrySet;
      /** What is most likely a mistake, and may be right. */
      readonly warnings: readonly Finding[];
    }
  | (Resolution & { readonly ok: false });

/** The registry of every environment from the files, or everything that is wrong with any of them. Pure. */
export function resolveSet(
  inputs: readonly RegistryInput[],
  digest: string,
  options: ResolveOptions,
): SetResolution {
  const steps = resolveSetInSteps(inputs, digest, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** {@link resolveSet}, which pauses after every CUJ, so that the caller can do other work in between. */
export function* resolveSetInSteps(
  inputs: readonly RegistryInput[],
  digest: string,
  options: ResolveOptions,
): Generator<undefined, SetResolution, undefined> {
  const findings: Finding[] = [];
  // What a broken environment would give is unknown, so that nothing is missing for certain.
  const incomplete = options.incomplete === true || inputs.some(({ broken }) => broken?.environments);
  const environments = readEnvironments(inputs, !incomplete, (finding) => findings.push(finding));
  const byEnvironment = new Map<string | undefined, Registry>();
  const found = new FindingsByEnvironment(environments.names);
  const warned = new FindingsByEnvironment(environments.names);
  let omitted = 0;
  if (environments.names.length === 0) {
    const of = yield* resolveInSteps(inputs, digest, { ...options, incomplete });
    if (of.ok) byEnvironment.set(undefined, of.registry);
    else omitted = of.omitted;
    found.add(undefined, of.ok ? [] : of.findings);
    warned.add(undefined, of.ok ? of.warnings : []);
  }
  for (const environment of environments.names) {
    const { inputs: documents, atOrigin } = environments.documentsOf(environment);
    const of = yield* resolveInSteps(documents, digest, { ...options, incomplete, environment });
    if (of.ok) byEnvironment.set(environment, of.registry);
    else omitted = Math.max(omitted, of.omitted);
    found.add(environment, of.ok ? [] : of.findings.map(atOrigin));
    warned.add(environment, of.ok ? of.warnings.map(atOrigin) : []);
  }
  findings.push(...found.all(), ...sharedSlos(byEnvironment, inputs));
  if (findings.length > 0) {
    const beyond = Math.max(0, findings.length - maxFindings);
    return { ok: false, findings: findings.slice(0, maxFindings), omitted: omitted + beyond };
  }
  return { ok: true, registries: { digest, byEnvironment }, warnings: warned.all() };
}

/** Findings of several environments: each once, with the environments that it is about where it is not about all. */
class FindingsByEnvironment {
  readonly #environments: readonly string[];
  readonly #found = new Map<string, { readonly finding: Finding; readonly of: string[] }>();

  constructor(environments: readonly string[]) {
    this.#environments = environments;
  }

  add(environment: string | undefined, findings: readonly Finding[]): void {
    for (const finding of findings) {
      const { file, path, at, rule, message } = finding;
      const key = JSON.stringify([file, pathText(path), at, rule, message]);
      const known = this.#found.get(key) ?? { finding, of: [] };
      this.#found.set(key, known);
      if (environment !== undefined && !known.of.includes(environment)) known.of.push(environment);
    }
  }

  all(): Finding[] {
    return [...this.#found.values()].map(({ finding, of }) =>
      of.length === this.#environments.length
        ? finding
        : { ...finding, message: `${finding.message} (environment ${of.join(', ')})` },
    );
  }
}

/** An SLO counts the events of one environment. Where two had the same, one would be judged by the budget of the other. */
function sharedSlos(
  byEnvironment: ReadonlyMap<string | undefined, Registry>,
  inputs: readonly RegistryInput[],
): Finding[] {
  const registries = [...byEnvironment.values()];
  if (registries.length < 2) return [];
  const findings: Finding[] = [];
  for (const { file, document } of inputs) {
    for (const [index, { name, sloId = {} }] of (document.cujs ?? []).entries()) {
      for (const [sli, id] of Object.entries(sloId)) {
        const having = registries.filter(
          ({ cujs }) => (cujs.get(name)?.sloIds as Record<string, string> | undefined)?.[sli] === id,
        );
        if (having.length < 2) continue;
        findings.push({
          file,
          path: ['cujs', index, 'sloId', sli],
          at: 'value',
          rule: 'slo-id-of-several-environments',
          value: id,
          message: `the CUJ "${name}" has the same SLO in ${having.map(({ environment }) => environment).join(' and ')}, and an SLO counts one of them`,
          fix: `Move it to the one that it belongs to: environments.NAME.sloId.${sli}.`,
        });
      }
    }
  }
  return findings;
}
