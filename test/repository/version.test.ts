import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };

const places: readonly (readonly [file: string, pattern: RegExp])[] = [
  ['package-lock.json', /"name": "cuj-gate",\s*"version": "([^"]+)"/g],
  ['helm/cuj-gate/Chart.yaml', /^(?:version|appVersion): (.+)$/gm],
  ['Dockerfile', /^ARG VERSION=(.+)$/gm],
  ['docs/deploy.md', /(?:cuj-gate:|VERSION=)(\d[\w.-]*)/g],
  ['docs/generate.md', /cuj-gate-(\d[\w.-]*)\.tgz/g],
];

it.each(places)('%s names the version of package.json and no other', (file, pattern) => {
  const found = [...readFileSync(file, 'utf8').matchAll(pattern)].map(([, version]) => version);
  expect([...new Set(found)]).toEqual([packageJson.version]);
});

it("the changelog's newest section is the version of package.json, released or not", () => {
  const [, newest] = /^## \[([^\]]+)\]/m.exec(readFileSync('CHANGELOG.md', 'utf8')) ?? [];
  expect(newest).toBe(packageJson.version);
});
