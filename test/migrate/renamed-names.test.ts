import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { renamedNames } from '../../src/migrate/renamed-names.ts';

/** The rows of the changelog's table of public names: kind, and pairs of an old and a new name. */
function changelogNames(): { old: string; now: string; kind: string }[] {
  const text = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8');
  const table = /<!-- renamed:begin[^\n]*\n([\s\S]*?)<!-- renamed:end -->/.exec(text)?.[1] ?? '';
  const rows = table.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| kind'));
  return rows.flatMap((row) => {
    const [kind = '', old = '', now = ''] = row.split('|').slice(1, -1);
    const named = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    return named(old).map((name, i) => ({ kind: kind.trim(), old: name, now: named(now)[i] ?? '' }));
  });
}

/** Output of commands, which is in no file of users. */
const ofCommands = (kind: string) => /^JSON of `(plan|backtest)`/.test(kind);
const withoutEllipsis = (name: string) => name.replace(/…$/, '');

it('knows every name that the changelog calls renamed, and no other', () => {
  const listed = changelogNames().filter(({ kind }) => !ofCommands(kind));
  expect(listed.length).toBeGreaterThan(25);
  const known = renamedNames.filter(({ now }) => now !== undefined).map(({ old, now }) => [old, now]);
  expect(known.sort()).toEqual(
    listed.map(({ old, now }) => [withoutEllipsis(old), withoutEllipsis(now)]).sort(),
  );
});

it('has no new name that an older one is part of: a second run would change it again', () => {
  for (const { now = '' } of renamedNames)
    for (const { kind, old } of renamedNames)
      if (kind === 'log message' || kind === 'metric') expect(now).not.toContain(old);
});
