import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** One registry and whether it is in the format. */
export interface RegistryFixture {
  readonly what: string;
  readonly accepted: boolean;
  readonly registry: unknown;
}

interface Change {
  readonly what: string;
  /** By JSON Pointer. */
  readonly set?: Readonly<Record<string, unknown>>;
  readonly remove?: readonly string[];
}

const folder = new URL('../testdata/registry-fixtures/', import.meta.url);
const read = (name: string) => parse(readFileSync(new URL(name, folder), 'utf8'));

/** Every line of changes.yaml applied to base.yaml: the cases of both the JSON Schema and the CUE schema. */
export function registryFixtures(): RegistryFixture[] {
  const base = read('base.yaml');
  const changes = read('changes.yaml') as { readonly accepted: Change[]; readonly refused: Change[] };
  const fixturesOf = (list: readonly Change[], accepted: boolean) =>
    list.map((change) => ({ what: change.what, accepted, registry: changed(base, change) }));
  return [...fixturesOf(changes.accepted, true), ...fixturesOf(changes.refused, false)];
}

function changed(base: unknown, { what, set = {}, remove = [] }: Change): unknown {
  let registry = structuredClone(base);
  for (const [pointer, value] of Object.entries(set)) {
    if (pointer === '') registry = value;
    else {
      const { parent, key } = placeOf(registry, pointer, what);
      parent[key] = value;
    }
  }
  for (const pointer of remove) {
    const { parent, key } = placeOf(registry, pointer, what);
    // A line that removes a missing member would test nothing.
    if (!(key in parent)) throw new Error(`${what}: the base has no ${pointer}`);
    delete parent[key];
  }
  return registry;
}

function placeOf(root: unknown, pointer: string, what: string) {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const key = steps.pop() as string;
  let parent = root as Record<string, unknown>;
  for (const step of steps) {
    parent = parent[step] as Record<string, unknown>;
    if (typeof parent !== 'object' || parent === null) throw new Error(`${what}: the base has no ${pointer}`);
  }
  return { parent, key };
}
