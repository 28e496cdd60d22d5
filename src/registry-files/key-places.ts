import { joined } from '../domain/name-lists.ts';
import { RegistrySchema } from '../domain/registry/schema.ts';
import { type Schema, typeName } from './schema-types.ts';

/** Where the schema knows a key, for keys that stand elsewhere. */

const top = 'the top of the registry';

/** The place that overrides the same keys by environment: it is told by the place itself. */
const overrides = 'environments';

/** By key, its places in the order of the schema, and the types that its value may have there. */
let places: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> | undefined;

/** `failure belongs in a service, a CUJ or an endpoint.`; undefined for a key that no mapping has. */
export function belongsIn(key: string, value: unknown): string | undefined {
  return sentence(key, placesFor(key, value)) ?? sentence(key, [...(placesOf(key)?.keys() ?? [])]);
}

/** The same of a key that has places where the value fits. */
export function belongsInBy(key: string, value: unknown): string | undefined {
  return sentence(key, placesFor(key, value));
}

function placesFor(key: string, value: unknown): readonly string[] {
  return [...(placesOf(key) ?? [])].flatMap(([place, types]) =>
    types.includes(typeName(value)) ? place : [],
  );
}

function sentence(key: string, all: readonly string[]): string | undefined {
  if (all.length === 0) return undefined;
  const inner = all.filter((place) => place !== top);
  const where = [
    ...(inner.length < all.length ? [`at ${top}`] : []),
    ...(inner.length > 0 ? [`in ${joined(inner, 'or')}`] : []),
  ];
  return `${key} belongs ${where.join(', or ')}.`;
}

/** The key at the beginning of `env:production`, which lacks a space, and what it would be with one. */
export function keyWithoutSpace(text: string): { readonly key: string; readonly fix: string } | undefined {
  const [, key, value] = /^([A-Za-z]+):(\S.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined || placesOf(key) === undefined) return undefined;
  const shown = value.length > 80 ? `${value.slice(0, 79)}…` : value;
  return { key, fix: `Write a space after the colon: ${key}: ${shown}.` };
}

function placesOf(key: string): ReadonlyMap<string, readonly string[]> | undefined {
  places ??= collected();
  return places.get(key);
}

function collected(): Map<string, Map<string, readonly string[]>> {
  const found = new Map<string, Map<string, readonly string[]>>();
  const visit = (schema: Schema, place: string) => {
    for (const alternative of schema.anyOf ?? []) visit(alternative, place);
    for (const [key, value] of Object.entries(schema.properties ?? {})) {
      const byPlace = found.get(key) ?? new Map<string, readonly string[]>();
      found.set(key, byPlace.set(place, [...(byPlace.get(place) ?? []), ...typesOf(value)]));
      if (key === overrides && place !== top) continue;
      for (const { items, patternProperties = {} } of [value, ...(value.anyOf ?? [])]) {
        const entries = [...(items === undefined ? [] : [items]), ...Object.values(patternProperties)];
        for (const entry of entries) visit(entry, placeOf(entry, `an entry of ${key}`));
      }
      visit(value, placeOf(value, key));
    }
  };
  visit(RegistrySchema as unknown as Schema, top);
  return found;
}

function typesOf({ type, anyOf = [] }: Schema): string[] {
  const own = type === 'integer' ? 'number' : type;
  return [...(own === undefined ? [] : [own]), ...anyOf.flatMap(typesOf)];
}

/** What the schema calls it, with an article. */
function placeOf({ title }: Schema, otherwise: string): string {
  if (title === undefined) return otherwise;
  return `${/^[aeiou]/i.test(title) ? 'an' : 'a'} ${title}`;
}
