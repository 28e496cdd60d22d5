import { compareRegistries, type RegistryChange } from './compare.ts';
import { environmentsIn, type Registry, type RegistrySet } from './model.ts';

/** A change in one environment; `environment` is absent where it holds in all that were compared. */
export type SetChange = RegistryChange & { readonly environment?: string };

/**
 * {@link compareRegistries} of each environment with the one of the same name, and what it means for rollouts in flight that
 * environments were added or removed. What is the same in all environments is there once. Pure.
 */
export function compareSets(old: RegistrySet, next: RegistrySet): readonly SetChange[] {
  const before = environmentsIn(old);
  const after = environmentsIn(next);
  const [alone] = old.byEnvironment.values();
  if (before.length === 0 && alone !== undefined) {
    const [one] = next.byEnvironment.values();
    if (after.length === 0) return compareRegistries(alone, one as Registry);
    const pairs = successorsOf(alone, next).map((successor) => [alone, successor] as const);
    return sorted([environmentRequired(after), ...changesOf(pairs)]);
  }
  const gone = before.filter((name) => !after.includes(name));
  const pairs = [...old.byEnvironment].flatMap(([name, registry]) => {
    const successor = next.byEnvironment.get(name);
    return successor === undefined ? [] : [[registry, successor] as const];
  });
  return sorted([...gone.map((name) => environmentRemoved(name, after)), ...changesOf(pairs)]);
}

function sorted(changes: readonly SetChange[]): readonly SetChange[] {
  return [...changes.filter(({ breaks }) => breaks), ...changes.filter(({ breaks }) => !breaks)];
}

/** The environments that measure what a registry without environments measured; all where none does. */
function successorsOf({ services }: Registry, next: RegistrySet): readonly Registry[] {
  const all = [...next.byEnvironment.values()];
  const same = all.filter((registry) =>
    [...services.values()].every(({ name, env }) => (registry.services.get(name)?.env ?? env) === env),
  );
  return same.length > 0 ? same : all;
}

function changesOf(pairs: readonly (readonly [old: Registry, next: Registry])[]): readonly SetChange[] {
  const found = new Map<string, { readonly change: RegistryChange; readonly environments: string[] }>();
  for (const [old, next] of pairs) {
    for (const change of compareRegistries(old, next)) {
      const key = JSON.stringify(change);
      const known = found.get(key) ?? { change, environments: [] };
      found.set(key, known);
      if (next.environment !== undefined) known.environments.push(next.environment);
    }
  }
  return [...found.values()].flatMap(({ change, environments }): readonly SetChange[] =>
    environments.length === pairs.length
      ? [change]
      : environments.map((environment) => ({
          ...change,
          environment,
          message: `${change.message} (environment ${environment})`,
          fix: change.fix.replace(
            `--allow ${change.rule}:${change.name}`,
            (allow) => `${allow}@${environment}`,
          ),
        })),
  );
}

function environmentRequired(environments: readonly string[]): SetChange {
  return {
    breaks: true,
    rule: 'environment-required',
    name: 'registry',
    message: `the registry has environments from now on (${environments.join(', ')}), and templates name none: the gate refuses the question, and Argo aborts the rollout after enough Errors`,
    fix: 'Set CUJ_GATE_ENVIRONMENT (chart: registry.environment) at each gate when it gets this registry: it then answers templates that name no environment as well. Generate the templates again for each environment: they send environment=NAME. If you do so, use --allow environment-required:registry.',
    place: { in: 'new', of: 'registry', name: 'registry', path: [] },
  };
}

function environmentRemoved(name: string, left: readonly string[]): SetChange {
  const rest =
    left.length === 0
      ? 'the registry has no environments any more'
      : `the registry has ${left.join(', ')} now`;
  return {
    breaks: true,
    rule: 'environment-removed',
    name,
    message: `the environment "${name}" is gone, and ${rest}: the gate refuses templates that name it, and Argo aborts the rollout after enough Errors`,
    fix: `Environments have no aliases: keep it, beside a new name if it has one, until no rollout in it is in flight. Then use --allow environment-removed:${name}.`,
    place: { in: 'old', of: 'environment', name, path: [] },
  };
}
