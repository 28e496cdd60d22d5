import fc from 'fast-check';
import { dump, load } from 'js-yaml';
import { expect, it } from 'vitest';
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { DocumentPath } from '../../src/domain/registry/findings.ts';
import { Positions } from '../../src/registry-files/positions.ts';

function isReadable(text: string): boolean {
  try {
    load(text);
    return true;
  } catch {
    return false;
  }
}

/** Every key and value of a document with its place, by another parser. */
function placesByYaml(text: string) {
  const lines = new LineCounter();
  const places: { path: DocumentPath; at: 'key' | 'value'; line: number; column: number }[] = [];
  const add = (path: DocumentPath, at: 'key' | 'value', node: Node | null) => {
    if (node?.range == null) return;
    const { line, col } = lines.linePos(node.range[0]);
    places.push({ path, at, line, column: col });
  };
  const visit = (node: Node | null, path: DocumentPath) => {
    add(path, 'value', node);
    if (isSeq<Node>(node)) for (const [index, item] of node.items.entries()) visit(item, [...path, index]);
    if (!isMap<Node, Node | null>(node)) return;
    for (const { key, value } of node.items) {
      const below = [...path, String(key.toJSON())];
      add(below, 'key', key);
      visit(value, below);
    }
  };
  visit(parseDocument(text, { lineCounter: lines }).contents as Node | null, []);
  return places;
}

function expectSamePlaces(text: string): void {
  const positions = new Positions(text);
  for (const { path, at, line, column } of placesByYaml(text)) {
    expect([path, at, positions.of(path, at)]).toEqual([path, at, { line, column }]);
  }
}

it.each([
  ['block style', 'a:\n  b: 1\n  c:\n    - x\n    - y: 2\n      z: [3, {w: 4}]\n'],
  ['sequences at the indentation of their key', 'a:\n- 1\n- - 2\n  - 3\n- b: 4\n'],
  [
    'comments and blank lines between',
    '# top\na: # of a\n\n  # of b\n  b: 1\n\n\nc:\n  # first\n  - x # of x\n  # second\n  - y\n',
  ],
  ['flow style over several lines', '{ a: 1,\n  b: [ 2,\n    3 ], "c": {\n    d: e }\n}\n'],
  [
    'quoted, folded and literal texts',
    'a: "x\n  y"\nb: \'z: {\'\nc: |\n  one\n  two\nd: >-\n  three\ne: 1\n',
  ],
  ['anchors on values', 'a: &x\n  b: 1\nc: &y { d: 2 }\ne: *x\nf: 3\n'],
  ['quoted and odd keys', '"a b": 1\n\'c\': 2\n? d\n: 3\n404: 5\n'],
  ['characters outside the basic plane', 'a: 😀 # 😀\nb: {😀: 1, c: 2}\n'],
  ['Windows line ends', 'a:\r\n  b: 1\r\n  c: 2\r\n'],
  ['JSON', '{"a":{"b":[1,2,{"c":null}]},"d":"e"}'],
  ['a scalar', '  x'],
])('places are those that another parser finds: %s', (_, text) => {
  expectSamePlaces(text);
});

it('places are those that another parser finds, for any document in any style', () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9 _.-]{0,6}[a-z0-9]$/);
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  const style = fc.record({
    flowLevel: fc.integer({ min: -1, max: 3 }),
    indent: fc.integer({ min: 2, max: 4 }),
    lineWidth: fc.constantFrom(-1, 20),
    noArrayIndent: fc.boolean(),
  });
  fc.assert(
    fc.property(value, style, (document, options) => {
      const text = dump(document, options);
      // js-yaml writes a few odd strings (`.:[` in flow style) so that nobody can read them back.
      fc.pre(parseDocument(text).errors.length === 0 && isReadable(text));
      expectSamePlaces(text);
    }),
    { numRuns: 300 },
  );
});

it('what is not there is where its nearest parent stands', () => {
  const positions = new Positions('a:\n  b: 1\nc:\nd: 2\n');
  expect(positions.of(['a', 'nothing', 3], 'value')).toEqual({ line: 2, column: 3 });
  expect(positions.of(['nothing'], 'key')).toEqual({ line: 1, column: 1 });
});

it('an empty value is behind its colon, not at the next key', () => {
  const positions = new Positions('a:\nb: 1\nc: # later\n');
  expect(positions.of(['a'], 'value')).toEqual({ line: 1, column: 3 });
  expect(positions.of(['c'], 'value')).toEqual({ line: 3, column: 3 });
});
