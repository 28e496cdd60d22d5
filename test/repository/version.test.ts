import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import releasePlease from '../../release-please-config.json' with { type: 'json' };

const places: readonly (readonly [file: string, pattern: RegExp])[] = [
  ['package-lock.json', /"name": "cuj-gate",\s*"version": "([^"]+)"/g],
  ['helm/cuj-gate/Chart.yaml', /(?:^(?:version|appVersion): |cuj-gate:|of |\/v)(\d[\w.-]*)/gm],
  ['helm/cuj-gate/README.md', /--version (\d[\w.-]*)/g],
  ['Dockerfile', /^ARG VERSION=(.+)$/gm],
  ['docs/deploy.md', /(?:cuj-gate:|cuj-gate@|VERSION=|--version |download\/v|standalone-)(\d+\.\d+\.\d+)/g],
  ['docs/github-action.md', /cuj-gate@v(\d+\.\d+\.\d+)/g],
  ['docs/generate.md', /(?:cuj-gate-|cuj-gate@)(\d[\w.-]*?)(?:\.tgz|\s)/g],
];

it.each(places)('%s names the version of package.json and no other', (file, pattern) => {
  const found = [...readFileSync(file, 'utf8').matchAll(pattern)].map(([, version]) => version);
  expect([...new Set(found)]).toEqual([packageJson.version]);
});

it("the changelog's newest section is of the version of package.json, released or not, or of the next", () => {
  const [, newest] = /^## \[([^\]]+)\]/m.exec(readFileSync('CHANGELOG.md', 'utf8')) ?? [];
  expect([packageJson.version, 'Unreleased']).toContain(newest);
});

describe('release-please', () => {
  const root = releasePlease.packages['.'];
  /** What release-type node changes by itself. */
  const byType = ['package-lock.json'];

  it('takes the version of package.json for released, or has released none and begins with it', () => {
    const released = JSON.parse(readFileSync('.release-please-manifest.json', 'utf8'))['.'];
    if (released === '0.0.0') expect(root['initial-version']).toBe(packageJson.version);
    else expect(released).toBe(packageJson.version);
  });

  it('changes every file that names the version', () => {
    const changed = root['extra-files'].map((extra) => extra.path);
    expect([...changed, ...byType].sort()).toEqual(places.map(([file]) => file).sort());
  });

  it.each(places.filter(([file]) => !byType.includes(file)))('finds each version in %s', (file, pattern) => {
    const lines = readFileSync(file, 'utf8').split('\n');
    let inside = false;
    const unmarked: string[] = [];
    const strange: string[] = [];
    for (const line of lines) {
      if (line.includes('x-release-please-start-version')) inside = true;
      const marked = inside || line.includes('x-release-please-version');
      // The lines between the marks are searched for anything that looks like a version, such as an address.
      const versions = (marked ? line.match(/\d+\.\d+\.\d+/g) : null) ?? [];
      if (versions.some((version) => version !== packageJson.version)) strange.push(line);
      if (!marked && [...line.matchAll(pattern)].length > 0) unmarked.push(line);
      if (line.includes('x-release-please-end')) inside = false;
    }
    expect({ unmarked, strange, inside }).toEqual({ unmarked: [], strange: [], inside: false });
  });
});
