import type { RolloutsVersion } from './programs.ts';

export interface Result {
  version: RolloutsVersion;
  name: string;
  seconds: number;
  /** Why it failed; undefined when it passed. */
  failure?: string | undefined;
}

export function tableText(results: Result[]): string {
  const rows = results.map(({ version, name, seconds, failure }) => [
    version,
    name,
    failure === undefined ? 'passed' : 'FAILED',
    String(seconds),
  ]);
  const all = [['rollouts', 'scenario', 'result', 'seconds'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map(([version, name, result, seconds]) =>
      [
        version!.padEnd(widths[0]!),
        name!.padEnd(widths[1]!),
        result!.padEnd(widths[2]!),
        seconds!.padStart(widths[3]!),
      ].join('  '),
    )
    .join('\n');
}

export function failuresText(results: Result[]): string {
  return results
    .filter(({ failure }) => failure !== undefined)
    .map(({ version, name, failure }) => `${name} on ${version}:\n${failure!.replace(/^/gm, '  ')}`)
    .join('\n\n');
}
