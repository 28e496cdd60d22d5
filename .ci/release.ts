// The steps of .github/workflows/release.yml that are more than a command. Needs Node 24, which runs TypeScript, and no
// node_modules: a job that may publish installs nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { argv, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';

/** Stands for the owner in files and documentation; what is published names the real one. */
export const placeholder = 'OWNER/cuj-gate';

/** Of Conventional Commits, with the bump of the version that release-please takes from them. */
export const titleTypes = {
  feat: 'minor',
  fix: 'patch',
  perf: 'patch',
  revert: 'patch',
  deps: 'patch',
  docs: 'none',
  refactor: 'none',
  test: 'none',
  build: 'none',
  ci: 'none',
  chore: 'none',
} as const;

const maxTitle = 72;

/** What is wrong with the title of a pull request, for the person who wrote it; undefined if nothing is. */
export function titleProblem(title: string): string | undefined {
  const types = Object.keys(titleTypes);
  const parts = /^([a-z]+)(?:\([a-z0-9-]+\))?!?: (.+)$/.exec(title);
  const example = 'write "fix: Refuse points of a wider interval than was asked for"';
  if (parts === null) return `"${title}" is no Conventional Commit: ${example}.`;
  const [, type = '', subject = ''] = parts;
  if (!types.includes(type)) return `"${type}" is no type of change: use one of ${types.join(', ')}.`;
  // release-please titles its own pull requests in lower case.
  if (/^[a-z]/.test(subject) && !/^release \d/.test(subject)) {
    return `"${subject}" begins with a small letter: ${example}.`;
  }
  if (subject.endsWith('.')) return `"${subject}" ends in a full stop: remove it.`;
  if (title.length > maxTitle) {
    return `The title has ${title.length} characters: shorten it to ${maxTitle}. The body has room for the reasons.`;
  }
  return undefined;
}

/** The changelog in which the section of what is not released has the version and the date (YYYY-MM-DD) of the release. */
export function dateChangelog(changelog: string, version: string, date: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(date)) throw new Error(`${date} is no date: use YYYY-MM-DD.`);
  const [heading, name] = /^## \[([^\]]+)\].*$/m.exec(changelog) ?? [];
  const unreleased = heading === '## [Unreleased]' || heading?.endsWith('] - unreleased') === true;
  const dated = name === version && heading !== undefined && /\d{4}-\d\d-\d\d$/.test(heading);
  if (heading === undefined || (!unreleased && !dated)) {
    throw new Error(
      `CHANGELOG.md begins with "${heading ?? 'no section'}", so nothing says what ${version} changes: begin it with ` +
        '"## [Unreleased]" and what users notice.',
    );
  }
  return changelog.replace(heading, `## [${version}] - ${date}`);
}

/** The text of one version's section in the changelog, without its heading. */
export function releaseNotes(changelog: string, version: string): string {
  const sections = changelog.split(/^(?=## \[)/m);
  const section = sections.find((one) => one.startsWith(`## [${version}]`));
  const text = section?.slice(section.indexOf('\n')).trim();
  if (!text) throw new Error(`CHANGELOG.md has no section "## [${version}]", or nothing is in it.`);
  return `${text}\n`;
}

export interface Published {
  /** `owner/name` on GitHub. */
  readonly repository: string;
  /** The digest of the image's index, `sha256:…`. */
  readonly digest: string;
}

/** The image in the registry of GitHub, without tag or digest. Names of images have no capital letters. */
export const imageName = (repository: string): string => `ghcr.io/${repository.toLowerCase()}`;

/** Chart.yaml with the addresses of this repository. */
export function publishedChart(chartYaml: string, { repository }: Pick<Published, 'repository'>): string {
  const [owner = ''] = repository.split('/');
  return chartYaml
    .replace(/^# OWNER stands for .*\n/m, '')
    .replaceAll(`ghcr.io/${placeholder}`, imageName(repository))
    .replaceAll(`github.com/${placeholder}`, `github.com/${repository}`)
    .replaceAll('name: OWNER,', `name: ${owner},`);
}

/** values.yaml of the published chart: it runs the released image, by digest, unless it is told another one. */
export function publishedValues(valuesYaml: string, { repository, digest }: Published): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`${digest || '""'} is no digest of an image.`);
  const settings: [from: string, to: string][] = [
    ['\n  repository: ""\n', `\n  repository: ${imageName(repository)}\n`],
    ['\n  digest: ""\n', `\n  digest: ${digest}\n`],
  ];
  return settings.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`values.yaml does not have${from}exactly once.`);
    return text.replace(from, to);
  }, valuesYaml);
}

/** package.json with the address of this repository, which npm compares with the one in the provenance. */
export function publishedPackage(packageJson: string, { repository }: Pick<Published, 'repository'>): string {
  const url = `github.com/${placeholder}`;
  if (!packageJson.includes(url)) throw new Error(`package.json does not name ${url} as its repository.`);
  return packageJson.replaceAll(url, `github.com/${repository}`);
}

const usage = `node .ci/release.ts COMMAND
  title TITLE                                 fails if it is no title for a pull request
  changelog DATE                              dates the newest section of CHANGELOG.md, with the version of package.json
  notes VERSION                               prints the section of this version
  chart --repository OWNER/NAME --digest D    names the repository and the image in helm/cuj-gate
  package --repository OWNER/NAME             names the repository in package.json
`;

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

function main(): void {
  const { values, positionals } = parseArgs({
    args: argv.slice(2),
    allowPositionals: true,
    options: {
      repository: { type: 'string', default: '' },
      digest: { type: 'string', default: '' },
    },
  });
  const [command, argument = ''] = positionals;
  const { repository, digest } = values;
  if ((command === 'chart' || command === 'package') && !/^[\w.-]+\/[\w.-]+$/.test(repository)) {
    throw new Error(`--repository is "${repository}": give OWNER/NAME.`);
  }
  switch (command) {
    case 'title': {
      const problem = titleProblem(argument);
      if (problem !== undefined)
        throw new Error(`${problem} CONTRIBUTING.md, "How a change lands", has the rules.`);
      return;
    }
    case 'changelog': {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
      edit('CHANGELOG.md', (text) => dateChangelog(text, version, argument));
      return;
    }
    case 'notes':
      stdout.write(releaseNotes(readFileSync('CHANGELOG.md', 'utf8'), argument));
      return;
    case 'chart':
      edit('helm/cuj-gate/Chart.yaml', (text) => publishedChart(text, { repository }));
      edit('helm/cuj-gate/values.yaml', (text) => publishedValues(text, { repository, digest }));
      return;
    case 'package':
      edit('package.json', (text) => publishedPackage(text, { repository }));
      return;
    default:
      throw new Error(`${command ?? 'No command'} is not one of these:\n${usage}`);
  }
}

if (path.resolve(argv[1] ?? '') === import.meta.filename) {
  try {
    main();
  } catch (error) {
    stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
