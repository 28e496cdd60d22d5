import { readFileSync } from 'node:fs';
import type { Loose } from './example.ts';

interface Attribute {
  readonly type: Loose;
  readonly required?: boolean;
  readonly optional?: boolean;
}
export interface Block {
  readonly attributes?: Record<string, Attribute>;
  readonly blocks?: Record<
    string,
    Block & { readonly nesting: string; readonly min?: number; readonly max?: number }
  >;
}

export const { resources }: { resources: Record<string, Block> } = JSON.parse(
  readFileSync('test/generate/testdata/datadog-provider-schema.json', 'utf8'),
);

/** Everything in which a value is not what the provider's schema says, as sentences. */
export function complaints(schema: Block, value: Loose, path: string): string[] {
  const found: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    const attribute = schema.attributes?.[key];
    const block = schema.blocks?.[key];
    if (attribute !== undefined) {
      if (!attribute.required && !attribute.optional) found.push(`${path}.${key} is computed`);
      if (!fits(attribute.type, member))
        found.push(`${path}.${key} is not of type ${JSON.stringify(attribute.type)}`);
    } else if (block !== undefined) {
      const isSingle = block.nesting === 'single';
      if (Array.isArray(member) === isSingle)
        found.push(`${path}.${key} is ${isSingle ? 'not one block' : 'not a list of blocks'}`);
      const items = (Array.isArray(member) ? member : [member]) as Loose[];
      if (items.length > (block.max ?? Number.POSITIVE_INFINITY))
        found.push(`${path}.${key} has too many blocks`);
      items.forEach((item, i) => {
        found.push(...complaints(block, item, `${path}.${key}[${i}]`));
      });
    } else found.push(`${path}.${key} is unknown`);
  }
  for (const [key, { required }] of Object.entries(schema.attributes ?? {})) {
    if (required && value[key] === undefined) found.push(`${path}.${key} is missing`);
  }
  for (const [key, { min = 0 }] of Object.entries(schema.blocks ?? {})) {
    if ((value[key]?.length ?? 0) < min) found.push(`${path}.${key} has too few blocks`);
  }
  return found;
}

function fits(type: Loose, value: unknown): boolean {
  if (Array.isArray(type)) return Array.isArray(value) && value.every((item) => fits(type[1], item));
  return typeof value === (type === 'bool' ? 'boolean' : type);
}
