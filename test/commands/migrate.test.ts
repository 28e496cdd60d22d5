import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { replaceFiles } from '../../src/commands/support/replace-files.ts';
import { capture } from './io.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'cuj-gate-migrate-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const old = '# mine\nexpr: sum(cuj_gate_inflight_questions)\n';
const now = '# mine\nexpr: sum(cuj_gate_inflight_requests)\n';
const undecidable = 'apiVersion: cuj-gate/v1\nservices:\n  api: { canary: "version:{at}" }\ncujs: []\n';

function file(name: string, text: string | Buffer): string {
  writeFileSync(path.join(dir, name), text);
  return path.join(dir, name);
}
const read = (name: string) => readFileSync(path.join(dir, name), 'utf8');

async function migrate(...args: string[]) {
  const { io, stdout, stderr } = capture();
  const code = await run(['migrate', ...args], io);
  const short = (text: string) => text.replaceAll(`${dir}/`, '');
  return { code, stdout: short(stdout()), stderr: short(stderr()) };
}

describe('migrate', () => {
  it('prints each name with its place, and the difference, and changes nothing', async () => {
    const { code, stdout, stderr } = await migrate(file('a.yaml', old), file('b.yaml', now));
    expect(code).toBe(0);
    expect(stdout).toContain(
      'a.yaml:2:11: metric: cuj_gate_inflight_questions is now cuj_gate_inflight_requests\n',
    );
    expect(stdout).toContain(
      '\n-expr: sum(cuj_gate_inflight_questions)\n+expr: sum(cuj_gate_inflight_requests)\n',
    );
    expect(stderr).toBe('old names in 1 file; --write changes them\n');
    expect(read('a.yaml')).toBe(old);
  });

  it('--write changes the files, keeps links and permissions, and has nothing to do afterwards', async () => {
    const target = file('target.yaml', old);
    chmodSync(target, 0o640);
    const link = path.join(dir, 'link.yaml');
    symlinkSync(target, link);
    expect(await migrate('--write', link)).toMatchObject({ code: 0, stderr: '1 file changed\n' });
    expect(read('target.yaml')).toBe(now);
    expect(statSync(target).mode & 0o777).toBe(0o640);
    expect(readdirSync(dir)).toEqual(['link.yaml', 'target.yaml']);
    expect(await migrate('--write', link)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'no old names in 1 file\n',
    });
  });

  it('--check says by its exit code whether there are old names', async () => {
    expect((await migrate('--check', file('a.yaml', old))).code).toBe(1);
    expect((await migrate('--check', file('b.yaml', now))).code).toBe(0);
    expect(read('a.yaml')).toBe(old);
  });

  it('--write changes no file where one has something for a person', async () => {
    const { code, stderr } = await migrate('--write', file('a.yaml', old), file('cujs.yaml', undecidable));
    expect(code).toBe(1);
    expect(stderr).toContain('cujs.yaml:3:27: a placeholder can no longer be called {at}');
    expect(stderr).toContain('1 place to be changed by hand. Nothing was changed.');
    expect(read('a.yaml')).toBe(old);
  });

  it.each([
    ['a file that is not there', () => path.join(dir, 'none.yaml'), /none\.yaml cannot be read: ENOENT/],
    ['a folder', () => dir, /cannot be read: it is a folder: give its files/],
    ['bytes that are no text', () => file('x.bin', Buffer.from([0xff, 0xfe])), /it is not text in UTF-8/],
  ])('refuses %s, and changes nothing', async (_, bad, message) => {
    const { code, stderr } = await migrate('--write', file('a.yaml', old), bad());
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(read('a.yaml')).toBe(old);
  });

  it('refuses --check with --write', async () => {
    expect(await migrate('--check', '--write', file('a.yaml', old))).toMatchObject({ code: 2 });
    expect(read('a.yaml')).toBe(old);
  });
});

describe('replacing files', () => {
  it('gives those before it their text back where one cannot be replaced', async () => {
    const first = file('first', 'one');
    const second = file('second', 'changed by somebody');
    await expect(
      replaceFiles([
        { file: first, before: 'one', after: 'two' },
        { file: second, before: 'one', after: 'two' },
      ]),
    ).rejects.toThrow(/second was changed meanwhile/);
    expect([read('first'), read('second')]).toEqual(['one', 'changed by somebody']);
    expect(readdirSync(dir)).toEqual(['first', 'second']);
  });

  it('leaves nothing behind where a file is missing', async () => {
    mkdirSync(path.join(dir, 'sub'));
    const first = file('first', 'one');
    await expect(
      replaceFiles([
        { file: first, before: 'one', after: 'two' },
        { file: path.join(dir, 'sub', 'none'), before: 'one', after: 'two' },
      ]),
    ).rejects.toThrow(/ENOENT/);
    expect(read('first')).toBe('one');
    expect(readdirSync(dir)).toEqual(['first', 'sub']);
  });
});
