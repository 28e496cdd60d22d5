import type { ErrorObject } from 'ajv';
import { keyWithoutSpace } from './key-places.ts';
import { nearest } from './nearest-key.ts';
import { type Schema, typeName } from './schema-types.ts';

/** The errors of the most likely alternative of each union. */
export function meantErrors(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const choices = new Map<string, number | undefined>();
  for (const error of errors) {
    if (error.keyword !== 'anyOf') continue;
    choices.set(
      `${error.instancePath} ${error.schemaPath}`,
      meantAlternative(error.data, error.schema as Schema[]),
    );
  }
  return errors.filter((error) => isMeant(error, choices));
}

/** The keys of all alternatives of each union that did not match, by alternative. */
export function keysOfUnions(errors: readonly ErrorObject[]): ReadonlyMap<unknown, readonly string[]> {
  const keys = new Map<unknown, readonly string[]>();
  for (const { keyword, schema } of errors) {
    if (keyword !== 'anyOf') continue;
    const alternatives = schema as readonly Schema[];
    const all = keysOf(alternatives);
    for (const alternative of alternatives) keys.set(alternative, all);
  }
  return keys;
}

function keysOf(alternatives: readonly Schema[]): readonly string[] {
  return [...new Set(alternatives.flatMap(({ properties = {} }) => Object.keys(properties)))];
}

/** The known key that was meant: itself, one that a space is missing behind, or one with a similar name. */
function meantKey(key: string, known: readonly string[]): string | undefined {
  if (known.includes(key)) return key;
  const split = keyWithoutSpace(key)?.key;
  return split !== undefined && known.includes(split) ? split : nearest(key, known);
}

/** Keys with a similar name: a typo is one problem, not an unknown key and a missing one. */
export function misspeltKeys(errors: readonly ErrorObject[]): ReadonlySet<string> {
  const misspelt = new Set<string>();
  for (const { keyword, instancePath, params, parentSchema } of errors) {
    if (keyword !== 'additionalProperties') continue;
    const near = meantKey(params.additionalProperty as string, Object.keys(parentSchema?.properties ?? {}));
    if (near !== undefined) misspelt.add(`${instancePath}/${near}`);
  }
  return misspelt;
}

/** The index of the alternative that fits a value's type and keys best; undefined where none has its type. */
function meantAlternative(value: unknown, alternatives: readonly Schema[]): number | undefined {
  let best: number | undefined;
  let bestScore = -1;
  const known = keysOf(alternatives);
  for (const [index, schema] of alternatives.entries()) {
    if (schema.const !== undefined || schema.type !== typeName(value)) continue;
    const written = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    const keys = written.map((key) => meantKey(key, known) ?? key);
    // Keys that only this alternative requires tell more than keys that all of them know.
    const score = keys.reduce(
      (sum, key) => sum + (schema.required?.includes(key) ? 2 : 0) + (schema.properties?.[key] ? 1 : 0),
      0,
    );
    if (score > bestScore) {
      best = index;
      bestScore = score;
    }
  }
  return best;
}

/** Whether an error is not inside an alternative that was not meant, nor the union's own where one was meant. */
function isMeant(error: ErrorObject, choices: ReadonlyMap<string, number | undefined>): boolean {
  if (error.keyword === 'anyOf') {
    if (choices.get(`${error.instancePath} ${error.schemaPath}`) !== undefined) return false;
  }
  for (const match of error.schemaPath.matchAll(/\/anyOf\/(\d+)\//g)) {
    const union = error.schemaPath.slice(0, match.index + '/anyOf'.length);
    const chosen = choiceAbove(error.instancePath, union, choices);
    if (chosen !== 'none' && chosen !== Number(match[1])) return false;
  }
  return true;
}

function choiceAbove(
  instancePath: string,
  union: string,
  choices: ReadonlyMap<string, number | undefined>,
): number | undefined | 'none' {
  for (let path = instancePath; ; path = path.slice(0, path.lastIndexOf('/'))) {
    const key = `${path} ${union}`;
    if (choices.has(key)) return choices.get(key);
    if (path === '') return 'none';
  }
}
