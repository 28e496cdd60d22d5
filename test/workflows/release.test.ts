import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  dateChangelog,
  placeholder,
  publishedChart,
  publishedPackage,
  publishedValues,
  releaseNotes,
  titleProblem,
} from '../../.ci/release.ts';

describe('the title of a pull request', () => {
  it.each([
    'feat: Let a CUJ name its dashboard',
    'fix(chart): Refuse a volume for two replicas',
    'feat!: Remove the rule of 0.1',
    'ci: Pin actions by commit',
    'chore: release 0.3.0',
    'deps: Update undici to 7.30.3',
  ])('may be "%s"', (title) => {
    expect(titleProblem(title)).toBeUndefined();
  });

  it.each([
    ['Let a CUJ name its dashboard', /is no Conventional Commit: write "fix: /],
    ['feature: Let a CUJ name its dashboard', /"feature" is no type of change: use one of feat, fix/],
    ['feat: let a CUJ name its dashboard', /begins with a small letter/],
    ['feat: Let a CUJ name its dashboard.', /ends in a full stop/],
    ['feat:Let a CUJ name its dashboard', /is no Conventional Commit/],
    [`feat: ${'A'.repeat(67)}`, /has 73 characters: shorten it to 72/],
    ['', /is no Conventional Commit/],
  ])('may not be "%s"', (title, problem) => {
    expect(titleProblem(title)).toMatch(problem);
  });
});

describe('the changelog of a release', () => {
  const older = '## [0.1.0] - 2026-11-26\n\n- First.\n';
  const changelog = (heading: string) => `# Changelog\n\n${heading}\n\n### Added\n\n- A thing.\n\n${older}`;

  it.each(['## [Unreleased]', '## [0.2.0] - unreleased'])('dates the section "%s"', (heading) => {
    expect(dateChangelog(changelog(heading), '0.2.0', '2026-12-01')).toBe(
      changelog('## [0.2.0] - 2026-12-01'),
    );
  });

  it('dates a section again when the pull request of the release is renewed', () => {
    const once = dateChangelog(changelog('## [Unreleased]'), '0.2.0', '2026-12-01');
    expect(dateChangelog(once, '0.2.0', '2026-12-02')).toBe(changelog('## [0.2.0] - 2026-12-02'));
  });

  it('gives a section that was begun under another version the one of the release', () => {
    expect(dateChangelog(changelog('## [0.2.0] - unreleased'), '1.0.0', '2026-12-01')).toBe(
      changelog('## [1.0.0] - 2026-12-01'),
    );
  });

  it('refuses a release of which the changelog says nothing', () => {
    expect(() => dateChangelog(`# Changelog\n\n${older}`, '0.2.0', '2026-12-01')).toThrow(
      'CHANGELOG.md begins with "## [0.1.0] - 2026-11-26", so nothing says what 0.2.0 changes',
    );
    expect(() => dateChangelog('# Changelog\n', '0.2.0', '2026-12-01')).toThrow('begins with "no section"');
  });

  it('refuses a date in another form', () => {
    expect(() => dateChangelog(changelog('## [Unreleased]'), '0.2.0', '1.12.2026')).toThrow('use YYYY-MM-DD');
  });

  it('takes the notes of one version', () => {
    const dated = changelog('## [0.2.0] - 2026-12-01');
    expect(releaseNotes(dated, '0.2.0')).toBe('### Added\n\n- A thing.\n');
    expect(releaseNotes(dated, '0.1.0')).toBe('- First.\n');
    expect(() => releaseNotes(dated, '0.3.0')).toThrow('CHANGELOG.md has no section "## [0.3.0]"');
  });

  it('can date the changelog of this repository', () => {
    const text = readFileSync('CHANGELOG.md', 'utf8');
    const newest = dateChangelog(text.replace(/^## \[.*$/m, '## [Unreleased]'), '9.9.9', '2026-12-01');
    expect(releaseNotes(newest, '9.9.9').length).toBeGreaterThan(10);
  });
});

describe('what a release publishes', () => {
  const repository = 'Example-Org/cuj-gate';
  const digest = `sha256:${'a'.repeat(64)}`;
  const chart = publishedChart(readFileSync('helm/cuj-gate/Chart.yaml', 'utf8'), { repository });

  it('names the repository in the chart, and its image without capital letters', () => {
    const { home, annotations, maintainers } = parse(chart);
    expect(home).toBe('https://github.com/Example-Org/cuj-gate');
    expect(maintainers).toEqual([{ name: 'Example-Org', url: home }]);
    const [image] = parse(annotations['artifacthub.io/images']);
    expect(image.image).toMatch(/^ghcr\.io\/example-org\/cuj-gate:\d/);
    expect(chart).not.toContain('OWNER');
  });

  it('has annotations that are YAML of the form that Artifact Hub reads', () => {
    const { annotations, version } = parse(chart);
    expect(parse(annotations['artifacthub.io/links'])).toEqual(
      expect.arrayContaining([{ name: expect.any(String), url: expect.stringMatching(/^https:/) }]),
    );
    const [change] = parse(annotations['artifacthub.io/changes']);
    expect(['added', 'changed', 'deprecated', 'removed', 'fixed', 'security']).toContain(change.kind);
    expect(change.links[0].url).toMatch(new RegExp(`/v${version}$`));
  });

  it('runs the released image by its digest', () => {
    const values = parse(
      publishedValues(readFileSync('helm/cuj-gate/values.yaml', 'utf8'), { repository, digest }),
    );
    expect(values.image).toMatchObject({ repository: 'ghcr.io/example-org/cuj-gate', tag: '', digest });
  });

  it('refuses to publish a chart without the digest of an image', () => {
    const values = readFileSync('helm/cuj-gate/values.yaml', 'utf8');
    expect(() => publishedValues(values, { repository, digest: '' })).toThrow('"" is no digest of an image');
  });

  it('names the repository in the npm package, as npm demands of a package with provenance', () => {
    const text = publishedPackage(readFileSync('package.json', 'utf8'), { repository });
    expect(JSON.parse(text).repository.url).toBe('git+https://github.com/Example-Org/cuj-gate.git');
    expect(text).not.toContain(placeholder);
    expect(() => publishedPackage(text, { repository })).toThrow(/package\.json does not name/);
  });
});
