import { createRequire } from 'node:module';
import path from 'node:path';
import { runInNewContext } from 'node:vm';

/**
 * Reduces the Datadog client's ObjectSerializer to the models that the used operations can reach. Its code is unchanged;
 * only the four tables before it (imports, enums, types, unions) get shorter. Anything that differs from client 1.64.0
 * throws LayoutChanged: a guess could lead to a wrong verdict.
 */

export class LayoutChanged extends Error {
  constructor(file: string, what: string) {
    super(
      `${file}: ${what}. The Datadog client is laid out differently from what src/bundle/trim-serializer.ts and used-apis.ts know. ` +
        'Compare its ObjectSerializer with that of 1.64.0, or pin the older version.',
    );
    this.name = 'LayoutChanged';
  }
}

export interface Trimmed {
  /** The shorter ObjectSerializer.js. */
  readonly source: string;
  readonly models: readonly string[];
}

const leaves = new Set(['any', 'Date', 'string', 'boolean', 'double', 'integer', 'long', 'float', 'number']);

/**
 * The ObjectSerializer with nothing but what `roots` reach.
 * `source` is the text of `file`, an absolute path: the models beside it are loaded to read their attributes.
 */
export function trimSerializer(source: string, file: string, roots: readonly string[]): Trimmed {
  const layout = layoutOf(source, file);
  const reach = reachable(roots, layout, file);
  const requires = [...layout.requires].filter(([alias]) =>
    [...reach.models].some((model) => layout.typeMap.get(model)?.alias === alias),
  );
  const text = [
    layout.opening,
    ...requires.map(([alias, model]) => `const ${alias} = require("./${model}");`),
    layout.middle,
    `const enumsMap = ${JSON.stringify(pick(layout.enumsMap, reach.enums))};`,
    'const typeMap = {',
    ...[...reach.models].map((model) => {
      const { alias, exported } = layout.typeMap.get(model) as TypeEntry;
      return `    ${model}: ${alias}.${exported},`;
    }),
    '};',
    `const oneOfMap = ${JSON.stringify(pick(layout.oneOfMap, reach.unions))};`,
    layout.code,
  ];
  return { source: text.join('\n'), models: [...reach.models] };
}

interface TypeEntry {
  readonly alias: string;
  readonly exported: string;
}

interface Layout {
  /** What stands before the models' imports. */
  readonly opening: string;
  /** alias → file name without its ending. */
  readonly requires: ReadonlyMap<string, string>;
  /** From the last import of a model to the first table. */
  readonly middle: string;
  readonly enumsMap: Readonly<Record<string, readonly unknown[]>>;
  readonly typeMap: ReadonlyMap<string, TypeEntry>;
  readonly oneOfMap: Readonly<Record<string, readonly string[]>>;
  /** The class itself. */
  readonly code: string;
}

function layoutOf(source: string, file: string): Layout {
  const enums = tableOf(source, 'enumsMap', file);
  const types = tableOf(source, 'typeMap', file);
  const unions = tableOf(source, 'oneOfMap', file);
  if (enums.end !== types.start + 1 || types.end !== unions.start + 1) {
    throw new LayoutChanged(file, 'enumsMap, typeMap and oneOfMap do not follow one another');
  }
  const code = source.slice(unions.end);
  if (!code.startsWith('class ObjectSerializer {')) {
    throw new LayoutChanged(file, 'the class does not follow its tables');
  }
  return {
    ...importsOf(source.slice(0, enums.start + 1), file),
    enumsMap: literal(enums.text),
    typeMap: entriesOf(types.text, file),
    oneOfMap: literal(unions.text),
    code,
  };
}

/** A table's place in the source, and its entries. */
interface Table {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function tableOf(source: string, name: string, file: string): Table {
  const head = `\nconst ${name} = {`;
  const start = source.indexOf(head);
  const end = source.indexOf('\n};\n', start);
  if (start < 0 || end < 0 || source.indexOf(head, start + 1) >= 0) {
    throw new LayoutChanged(file, `no single table ${name}`);
  }
  return { start, end: end + '\n};\n'.length, text: source.slice(start + head.length, end) };
}

function importsOf(head: string, file: string): Pick<Layout, 'opening' | 'requires' | 'middle'> {
  const imports = [...head.matchAll(/^const (\w+) = require\("\.\/(\w+)"\);\n/gm)];
  const first = imports[0];
  const last = imports.at(-1);
  if (first === undefined || last === undefined) throw new LayoutChanged(file, 'it imports no models');
  const block = head.slice(first.index, last.index + last[0].length);
  if (block !== imports.map(([line]) => line).join('')) {
    throw new LayoutChanged(file, 'something else stands between the imports of models');
  }
  return {
    opening: head.slice(0, first.index).trimEnd(),
    requires: new Map(imports.map(([, alias, model]) => [alias as string, model as string])),
    middle: head.slice(last.index + last[0].length).trimEnd(),
  };
}

function entriesOf(text: string, file: string): Map<string, TypeEntry> {
  const entries = new Map<string, TypeEntry>();
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const [, name, alias, exported] = /^ {4}(\w+): (\w+)\.(\w+),$/.exec(line) ?? [];
    if (name === undefined || alias === undefined || exported === undefined) {
      throw new LayoutChanged(file, `typeMap holds the line ${JSON.stringify(line)}`);
    }
    entries.set(name, { alias, exported });
  }
  return entries;
}

/** The two other tables are data only: strings and lists of them, long ones over several lines. */
function literal<T>(text: string): Readonly<Record<string, readonly T[]>> {
  return runInNewContext(`({${text}})`) as Record<string, readonly T[]>;
}

interface Reach {
  readonly models: Set<string>;
  readonly enums: Set<string>;
  readonly unions: Set<string>;
}

function reachable(roots: readonly string[], layout: Layout, file: string): Reach {
  const reach: Reach = { models: new Set(), enums: new Set(), unions: new Set() };
  const visit = (type: string, from: string): void => {
    for (const name of namesIn(type)) {
      if (leaves.has(name) || reach.enums.has(name) || reach.unions.has(name) || reach.models.has(name))
        continue;
      const union = layout.oneOfMap[name];
      const entry = layout.typeMap.get(name);
      // The order of the serialiser itself: enums, unions, models.
      if (layout.enumsMap[name] !== undefined) reach.enums.add(name);
      else if (union !== undefined) {
        reach.unions.add(name);
        for (const alternative of union) visit(alternative, name);
      } else if (entry !== undefined) {
        reach.models.add(name);
        for (const attribute of attributeTypes(entry, layout, file)) visit(attribute, name);
      } else throw new LayoutChanged(file, `${from} names the type ${type}, which is in no table`);
    }
  };
  for (const root of roots) visit(root, 'an operation');
  return reach;
}

/** `Array<X>`, `[X, Y]`, `{ [key: string]: X; }` and any nesting of them: the names inside. */
function namesIn(type: string): string[] {
  return (
    type
      .replaceAll('[key: string]:', '')
      .match(/\w+/g)
      ?.filter((name) => name !== 'Array') ?? []
  );
}

function attributeTypes({ alias, exported }: TypeEntry, { requires }: Layout, file: string): string[] {
  const model = requires.get(alias);
  if (model === undefined) throw new LayoutChanged(file, `${alias} is not imported`);
  const loaded = createRequire(file)(path.join(path.dirname(file), `${model}.js`)) as Record<string, unknown>;
  const attributes = (
    loaded[exported] as { getAttributeTypeMap?: () => unknown } | undefined
  )?.getAttributeTypeMap?.();
  if (typeof attributes !== 'object' || attributes === null) {
    throw new LayoutChanged(`${model}.js`, 'no attributes to read');
  }
  return Object.entries(attributes).map(([name, attribute]) => {
    const { type } = attribute as { type?: unknown };
    if (typeof type !== 'string') throw new LayoutChanged(`${model}.js`, `attribute ${name} has no type`);
    return type;
  });
}

function pick<T>(table: Readonly<Record<string, T>>, names: ReadonlySet<string>): Record<string, T> {
  return Object.fromEntries(Object.entries(table).filter(([name]) => names.has(name)));
}
