import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * The rules of imports are what docs/development/architecture.md says. A copy of src that holds nothing but imports, of
 * every room, library and module in every room, goes through the check of `npm run lint` once; what it reports must be
 * what the table does not allow.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A line of the table. */
interface Row {
  readonly from: string;
  readonly rooms: readonly string[];
  readonly libraries: readonly string[];
  readonly modules: readonly string[];
  readonly isEverything: boolean;
}

const packages: string[] = [
  ...Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies),
  '@cyclonedx/cyclonedx-library',
  'esbuild',
];
const modules = ['node:fs', 'node:crypto', 'node:vm'];

/** What the table calls libraries by, where it is not the name of the package. */
const libraryNames: Readonly<Record<string, RegExp>> = {
  'the Datadog client': /^@datadog\//,
  Fastify: /^@?fastify(\/|$)/,
  OpenTelemetry: /^@opentelemetry\//,
  CycloneDX: /^@cyclonedx\//,
};

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
}

function rowsOfTable(): Row[] {
  const page = readFileSync(join(root, 'docs/development/architecture.md'), 'utf8');
  const [, section = ''] = /\n## Import rules\n([\s\S]*?)\n## /.exec(page) ?? [];
  return [...section.matchAll(/^\| (`.*?) \| (.*) \|$/gm)].flatMap(([, first = '', cell = '']) => {
    const isEverything = cell.startsWith('everything');
    const parts = cell.split(/[;,.] ?/).map((part) => part.trim());
    const names = cell.includes('nothing of `src`') ? [] : quoted(cell);
    const row = {
      rooms: names.filter((name) => !name.startsWith('node:')),
      libraries: packages.filter((name) =>
        parts.some((part) =>
          libraryNames[part] === undefined ? part === name : libraryNames[part].test(name),
        ),
      ),
      modules: parts.includes('Node') ? modules : names.filter((name) => name.startsWith('node:')),
      isEverything,
    };
    return quoted(first).flatMap((from) => ofBackends({ from, ...row }));
  });
}

/** Those that the lines of the table stand for, and one that does not exist. */
const backends = [
  ...readdirSync(join(root, 'src/sources')).filter((name) =>
    existsSync(join(root, 'src/sources', name, 'backend.ts')),
  ),
  'tally',
];

/** A line about `sources/*` is one of each backend, and names rooms of the same backend. */
function ofBackends(row: Row): Row[] {
  if (!row.from.includes('*')) return [row];
  return backends.map((name) => ({
    ...row,
    from: row.from.replace('*', name),
    rooms: row.rooms.map((room) => room.replace('*', name)),
  }));
}

/** A room with several lines may import what any of them says. */
function merged(all: readonly Row[]): Row[] {
  const byRoom = new Map<string, Row>();
  for (const row of all) {
    const { rooms = [], libraries = [] } = byRoom.get(row.from) ?? {};
    byRoom.set(row.from, {
      ...row,
      rooms: [...rooms, ...row.rooms],
      libraries: packages.filter((name) => [...libraries, ...row.libraries].includes(name)),
      modules: [...new Set([...(byRoom.get(row.from)?.modules ?? []), ...row.modules])],
    });
  }
  return [...byRoom.values()];
}

const rows = merged(rowsOfTable());

/** Whether a room of a line covers a path: `sources/*` has any backend, and a room all that is below it. */
function covers(room: string, path: string): boolean {
  const pattern = room.replaceAll('.', '\\.').replaceAll('*', '[^/]+');
  return new RegExp(`^${pattern}(/|$)`).test(path);
}

function isAllowed(row: Row, target: string): boolean {
  const isNamed = row.rooms.some((room) => covers(room, target));
  // `everything but` names what is forbidden.
  return row.isEverything ? !isNamed : isNamed || covers(row.from, target);
}

/** What can be imported: every room, and the one file that has a rule of its own. */
const targets = [...rows.map(({ from }) => from), 'registry-files/worker.ts'];

/** The file that is imported for a room, and the one that imports. */
const fileOf = (room: string) => (room.endsWith('.ts') ? `src/${room}` : `src/${room}/target.ts`);
const importerOf = (room: string) => (room.endsWith('.ts') ? `src/${room}` : `src/${room}/imports.ts`);

let folder = '';
/** `from -> to` of everything that the check reported. */
let reported: ReadonlySet<string>;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** Imports of everything but of itself, half of the rooms by types alone. */
function importsOf(row: Row): string {
  const from = importerOf(row.from);
  const lines = targets
    .map(fileOf)
    .filter((file) => file !== from)
    .map((file, i) => {
      const path = relative(dirname(from), file);
      const text = path.startsWith('.') ? path : `./${path}`;
      return i % 2 === 0 ? `import '${text}';` : `import type { T } from '${text}';`;
    });
  return [...lines, ...[...packages, ...modules].map((name) => `import '${name}';`)].join('\n');
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cuj-gate-imports-'));
  const none = 'export type T = 1;\n';
  for (const target of targets) write(fileOf(target), none);
  for (const name of packages) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(`node_modules/${name}/index.js`, '');
  }
  for (const row of rows) write(importerOf(row.from), `${none}${importsOf(row)}\n`);
  write('src/domain/one.ts', "import './other.ts';\n");
  write('src/domain/other.ts', "import './one.ts';\n");
  // What is loaded when it is needed.
  write(
    'src/sources/abacus/backend.ts',
    "void import('./api/target.ts');\nvoid import('../tally/api/target.ts');\n",
  );
  write('src/sources/abacus/api/target.ts', none);
  write('src/attic/old.ts', "import '../domain/target.ts';\n");
  write(
    'package.json',
    JSON.stringify({ type: 'module', dependencies: Object.fromEntries(packages.map((name) => [name, '1'])) }),
  );
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = join(root, '.dependency-cruiser.mjs');
  // The reporter for JSON ends with 0 whatever it found.
  const args = [program, '--config', config, '--output-type', 'json', 'src'];
  const output = execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', maxBuffer: 1e9 });
  const { violations } = JSON.parse(output).summary as {
    violations: { from: string; to: string; rule: { name: string } }[];
  };
  reported = new Set(violations.map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`));
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const isForbidden = (from: string, to: string) => reported.has(`not-in-allowed: ${from} -> ${to}`);

it('the table has a line for every folder of src', () => {
  const folders = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replaceAll('\\', '/'));
  const without = folders.filter((file) => !rows.some(({ from }) => covers(from, file)));
  expect(without).toEqual([]);
});

describe.each(rows)('$from', (row) => {
  const from = importerOf(row.from);

  it('imports the rooms of its line, and no other one', () => {
    const found = targets.filter((target) => fileOf(target) !== from && !isForbidden(from, fileOf(target)));
    expect(found).toEqual(targets.filter((target) => fileOf(target) !== from && isAllowed(row, target)));
  });

  it('imports the libraries of its line, and no other one', () => {
    const found = packages.filter((name) => !isForbidden(from, `node_modules/${name}/index.js`));
    expect(found).toEqual(row.isEverything ? packages : row.libraries);
  });

  it("imports those of Node's modules that its line names", () => {
    const found = modules.filter((name) => !isForbidden(from, name.slice('node:'.length)));
    expect(found).toEqual(row.isEverything ? modules : row.modules);
  });
});

it.each([
  ['domain', 'node_modules/ioredis/index.js'],
  ['domain', 'fs'],
  ['domain', 'src/http/target.ts'],
  ['domain/statistics', 'src/domain/target.ts'],
  ['http', 'node_modules/undici/index.js'],
  ['http', 'src/sources/datadog/query/target.ts'],
  ['sources/datadog/query', 'src/sources/datadog/api/target.ts'],
  ['sources/datadog/api', 'src/sources/tally/query/target.ts'],
  ['sources/datadog/backend.ts', 'src/sources/datadog/api/target.ts'],
  ['doctor', 'src/sources/datadog/api/target.ts'],
  ['commands', 'src/sources/datadog/api/target.ts'],
])('%s must not import %s', (room, to) => {
  expect(isForbidden(importerOf(room), to)).toBe(true);
});

it('a backend loads its own api when it is opened, and no other', () => {
  const from = 'src/sources/abacus/backend.ts';
  expect(isForbidden(from, 'src/sources/abacus/api/target.ts')).toBe(false);
  expect(isForbidden(from, 'src/sources/tally/api/target.ts')).toBe(true);
});

it('a room that no line names may import nothing', () => {
  expect(isForbidden('src/attic/old.ts', 'src/domain/target.ts')).toBe(true);
});

it('imports in a cycle are reported', () => {
  expect([...reported]).toContain('no-cycle: src/domain/one.ts -> src/domain/other.ts');
});
