import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { exportCue } from '../../src/registry-files/cue.ts';
import { scratchFolder } from './scratch.ts';

/** A folder with a program called cue, and an environment that finds it. */
function withCue(script: string) {
  const folder = scratchFolder({ cue: `#!/bin/sh\n${script}\n` });
  chmodSync(join(folder, 'cue'), 0o755);
  return { folder, env: { PATH: `${folder}${delimiter}${process.env.PATH}` } };
}

it('asks cue for JSON of the file and takes what it prints', async () => {
  const { folder, env } = withCue(`echo "$@" > "$(dirname "$0")/asked"; echo '{"a": 1}'`);
  const output = await exportCue('-odd.cue', env);
  expect(output.toString()).toBe('{"a": 1}\n');
  expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('export --out json ./-odd.cue\n');
});

it('says so where there is no cue in PATH', async () => {
  const problem = await exportCue('cujs.cue', { PATH: scratchFolder() });
  expect(problem).toMatchObject({
    file: 'cujs.cue',
    rule: 'no-cue',
    message: expect.stringContaining('no cue in PATH'),
  });
});

it('tells a cue that was killed from one that refuses the file', async () => {
  const { env } = withCue('kill -9 $$');
  expect(await exportCue('cujs.cue', env)).toMatchObject({
    rule: 'cue-not-run',
    message: 'cue export cujs.cue did not run to its end: it was killed',
  });
});

it('hands on what cue complains of, with its place', async () => {
  const { env } = withCue(
    `printf 'cujs.0.owner: incomplete value string:\\n    ./cujs.cue:7:3\\n' >&2; exit 1`,
  );
  expect(await exportCue('cujs.cue', env)).toMatchObject({
    rule: 'cue-failed',
    line: 7,
    column: 3,
    message: 'cue export cujs.cue failed: cujs.0.owner: incomplete value string: ./cujs.cue:7:3',
  });
});

it('refuses an export over 5 MiB instead of holding it', async () => {
  const { folder, env } = withCue('cat "$(dirname "$0")/big"');
  writeFileSync(join(folder, 'big'), Buffer.alloc(5 * 1024 * 1024 + 10, ' '));
  expect(await exportCue('cujs.cue', env)).toMatchObject({ rule: 'file-too-large' });
});
