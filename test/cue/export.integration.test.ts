import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exportCue } from '../../src/registry-files/cue.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cue-export-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** An environment whose PATH begins with a program called `cue` that is this shell script. */
async function withCue(script: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'cue'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'cue'), 0o755);
  return { PATH: `${bin}${delimiter}${process.env.PATH}` };
}

describe('a registry in CUE', () => {
  it('is what cue export prints', async () => {
    const env = await withCue('echo \'{"apiVersion": "cuj-gate/v1"}\'');
    const bytes = await exportCue(join(folder, 'cujs.cue'), env);
    expect(JSON.parse(String(bytes))).toEqual({ apiVersion: 'cuj-gate/v1' });
  });

  it('is exported in its own folder, where its imports are found, and never taken for an option', async () => {
    const env = await withCue(`{ pwd; for a in "$@"; do echo "$a"; done; } > '${folder}/asked'; echo '{}'`);
    await exportCue(join(folder, '-e.cue'), env);
    const asked = (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n');
    expect(asked.slice(1)).toEqual(['export', '--out', 'json', './-e.cue']);
    expect(asked[0]).toContain(folder.split('/').at(-1));
  });

  it("is a problem with cue's own words and the place in the file itself where cue refuses it", async () => {
    const env = await withCue(
      `echo 'cujs.0.owner: incomplete value string:' >&2; echo '    ./schema.cue:35:2' >&2; echo '    ./cujs.cue:12:3' >&2; exit 1`,
    );
    const path = join(folder, 'cujs.cue');
    expect(await exportCue(path, env)).toMatchObject({
      file: path,
      line: 12,
      column: 3,
      rule: 'cue-failed',
      message: expect.stringContaining('cujs.0.owner: incomplete value string'),
    });
  });

  it('is a problem that says so where there is no cue', async () => {
    expect(await exportCue(join(folder, 'cujs.cue'), { PATH: folder })).toMatchObject({
      rule: 'no-cue',
      message: expect.stringContaining('no cue in PATH'),
      fix: expect.stringContaining('https://cuelang.org'),
    });
  });
});
