import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const folder = path.join(root, 'test/e2e/scenarios');

/** What the table says of the `backends` of a scenario, which is not loaded: that takes seconds. */
const words: Readonly<Record<string, string>> = {
  "['datadog']": 'Datadog',
  "['prometheus', 'victoria-metrics', 'prometheus-3', 'thanos', 'mimir']": 'every one but Datadog',
  "['prometheus', 'victoria-metrics']": 'Prometheus and VictoriaMetrics',
  "['victoria-metrics']": 'VictoriaMetrics',
  '[]': 'none',
};

it('docs/development/e2e.md names every scenario that does not run over every backend, with the reason', () => {
  const page = readFileSync(path.join(root, 'docs/development/e2e.md'), 'utf8');
  const [, table = ''] = page.split('| scenario | runs over | why |\n|---|---|---|\n');
  const said = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| (.+) \| (.+) \| (.+\.) \|$/gm)].flatMap(
    ([, names = '', backends]) => [...names.matchAll(/`([a-z-]+)`/g)].map(([, name]) => [name, backends]),
  );
  const found = readdirSync(folder).flatMap((file) => {
    const text = readFileSync(path.join(folder, file), 'utf8');
    const name = /^ {2}name: '(.+)',$/m.exec(text)?.[1];
    const backends = /^ {2}backends: (.+),$/m.exec(text)?.[1] ?? 'not found';
    return backends === 'everyBackend' ? [] : [[name, words[backends] ?? backends]];
  });
  expect(Object.fromEntries(said)).toEqual(Object.fromEntries(found));
  expect(said).toHaveLength(found.length);
});
