import type { ErrorObject } from 'ajv';
import { nearest } from './nearest-key.ts';

/** A JSON Schema, as far as the explanations look into it. */
export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly examples?: readonly unknown[];
}

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

/** Keys with a similar name: a typo is one problem, not an unknown key and a missing one. */
export function misspeltKeys(errors: readonly ErrorObject[]): ReadonlySet<string> {
  const misspelt = new Set<string>();
  for (const { keyword, instancePath, params, parentSchema } of errors) {
    if (keyword !== 'additionalProperties') continue;
    const near = nearest(params.additionalProperty as string, Object.keys(parentSchema?.properties ?? {}));
    if (near !== undefined) misspelt.add(`${instancePath}/${near}`);
  }
  return misspelt;
}

/** The index of the alternative that fits a value's type and keys best; undefined where none has its type. */
function meantAlternative(value: unknown, alternatives: readonly Schema[]): number | undefined {
  let best: number | undefined;
  let bestScore = -1;
  for (const [index, schema] of alternatives.entries()) {
    if (schema.const !== undefined || schema.type !== typeName(value)) continue;
    const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
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

/** The type of a value in JSON Schema's words. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
