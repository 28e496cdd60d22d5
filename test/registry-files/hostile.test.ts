import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { scratchFile, scratchFolder } from './scratch.ts';

const good = readFileSync(new URL('../testdata/registry/good.yaml', import.meta.url), 'utf8');

async function problemsOf(content: string | Uint8Array, name?: string) {
  const result = await loadRegistry(scratchFile(content, name));
  return result.ok ? [] : result.problems;
}

const at = (line: number, column: number, rule: string) => expect.objectContaining({ line, column, rule });

/** Nine levels of nine aliases each: 400 million values in 400 characters. */
const bomb = [
  'a0: &a0 [x, x, x, x, x, x, x, x, x]',
  ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
].join('\n');

describe('texts that are no registry', () => {
  it.each([
    ['an empty file', '', at(1, 1, 'empty-document')],
    ['comments only', '# nothing\n', at(1, 1, 'empty-document')],
    ['a text', 'hello', at(1, 1, 'type')],
    ['a list', '- a\n- b\n', at(1, 1, 'type')],
    ['a number', '\n\n  42', at(3, 3, 'type')],
    ['several documents', `${good}---\na: 1\n`, expect.objectContaining({ rule: 'several-documents' })],
    ['a NUL byte', 'a: 1\nb: \0', at(2, 4, 'nul-byte')],
    ['a control character', 'a: 1\nb: \x07', expect.objectContaining({ line: 2, rule: 'syntax' })],
    ['bytes of another encoding', Buffer.from('a: 1\nb\xfcro: 1', 'latin1'), at(2, 2, 'not-utf8')],
    [
      'a character that is cut off',
      Buffer.concat([Buffer.from('a: ログ'), Buffer.from([0xe3, 0x82])]),
      at(1, 6, 'not-utf8'),
    ],
    ['UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le'), at(1, 1, 'not-utf8')],
    ['a date, which is a text here', 'apiVersion: 2024-01-01', at(1, 13, 'one-of')],
    [
      'a tag that would run code',
      'a: !!js/function "x"',
      expect.objectContaining({ line: 1, rule: 'syntax' }),
    ],
    ['binary data', 'a: !!binary aGk=', expect.objectContaining({ line: 1, rule: 'syntax' })],
    ['an alias without its anchor', 'a: *b', expect.objectContaining({ line: 1, rule: 'syntax' })],
    ['an alias that holds itself', 'a: &a [*a]', expect.objectContaining({ line: 1, rule: 'alias-bomb' })],
    ['aliases that explode', bomb, at(2, 10, 'alias-bomb')],
    ['lists in lists in lists', `a: ${'['.repeat(50_000)}`, expect.objectContaining({ rule: 'too-deep' })],
    [
      'lists in lists by indentation',
      `${'- '.repeat(20_000)}a`,
      expect.objectContaining({ rule: 'too-deep' }),
    ],
    ['mappings in mappings', `a: ${'{a: '.repeat(50_000)}`, expect.objectContaining({ rule: 'too-deep' })],
    [
      'a mapping of 20,000 keys',
      `defaults:\n${Array.from({ length: 20_000 }, (_, i) => `  k${i}: 1\n`).join('')}`,
      at(1, 1, 'too-many-entries'),
    ],
  ])('%s', async (_, content, problem) => {
    expect(await problemsOf(content)).toContainEqual(problem);
  });

  const top = 'apiVersion: cuj-gate/v1\n';
  it.each([
    ['a key too deep', 'services:\n  a:\n    env: p\n      operation: o\n', 5, 7, /column 7, .* 5, 3 or 1$/],
    ['a key between two', 'services:\n  a:\n    env: p\n   operation: o\n', 5, 4, /column 4, .* 5, 3 or 1$/],
    [
      'an entry too shallow',
      'cujs:\n  - name: a\n    endpoints:\n      - GET /\n     - GET /b\n',
      6,
      6,
      /column 6, .* 7, 5, 3 or 1$/,
    ],
    [
      'a key below lines of text',
      'cujs:\n  - name: a\n    description: |\n        x\n   tier: 1\n',
      6,
      4,
      /column 4, .* 5, 3 or 1$/,
    ],
    ['an entry among keys', 'cujs:\n  name: a\n  - owner: b\n', 4, 3, /entry of a list stands at column 3/],
    ['a key among entries', 'cujs:\n  - name: a\n  owner: b\n', 4, 3, /a key stands at column 3/],
    [
      'a hyphen without a space',
      'cujs:\n  -name: a\n   owner: b\n',
      4,
      4,
      /column 4.*space after the hyphen in line 3/,
    ],
    ['no colon', 'services:\n  a:\n    env p\n    operation: o\n', 4, 5, /neither .*a colon and a space/],
    [
      'no space after a colon',
      'services:\n  a:\n    env:p\n    operation: o\n',
      4,
      5,
      /neither .*Write a space after/,
    ],
    [
      'a mapping without an end',
      'cujs:\n  - { name: a, owner: t\n  - { name: b }\n',
      4,
      3,
      /comma.* is missing/,
    ],
    [
      'a colon in a value',
      'cujs:\n  - name: a\n    title: what: ever\n',
      4,
      12,
      /contains a colon .*in quotes/,
    ],
    [
      'text behind a mapping',
      'services:\n  a:\n    canary: {version}:x\n',
      4,
      22,
      /has ended before.*whole value in quotes/,
    ],
    ['a reserved character', 'services:\n  a:\n    env: @prod\n', 4, 10, /cannot begin with @ .*in quotes/],
    ['a star', 'cujs:\n  - name: a\n    endpoints: *\n', 4, 16, /cannot begin with \* .*"\*"/],
    ['a quote without an end', 'services:\n  a:\n    canary: "v:{v}\n    env: p\n', 4, 13, /not closed/],
    ['a tab', 'services:\n\ta:\n\t\tenv: p\n', 3, 1, /a tab .*Indent with spaces/],
  ])('%s, once, in words of the file', async (_, text, line, column, words) => {
    // A long text is read by the faster parser alone, which knows less.
    const long = `${top}${text}# ${'x'.repeat(128 * 1024)}\n`;
    for (const whole of [top + text, long]) {
      const problems = await problemsOf(whole);
      expect(problems.map(({ rule }) => rule)).toEqual(['syntax']);
      const [{ message, fix, ...place }] = problems as [(typeof problems)[0]];
      expect(place.line).toBeGreaterThan(1);
      expect(message).not.toMatch(/implicit|scalar|flow|block|compact/i);
      if (whole === long) continue;
      expect(place).toMatchObject({ line, column });
      expect(words.test(message) || words.test(`${message} ${fix}`), `${message} ${fix}`).toBe(true);
    }
  });

  it('both of two duplicate keys', async () => {
    const text = good
      .replace('tier: 1', 'tier: 1\n    tier: 2')
      .replace('mode: observe', 'mode: observe\n    mode: enforce');
    const lines = text.split('\n');
    const line = (start: string) => lines.findIndex((one) => one.trim() === start) + 1;
    expect(await problemsOf(text)).toEqual([
      at(line('tier: 2'), 5, 'duplicate-key'),
      at(line('mode: enforce'), 5, 'duplicate-key'),
    ]);
  });

  it('a duplicate key by its name and path, and what else is wrong with the file', async () => {
    const text = good
      .replace('tier: 1', 'tier: 1\n    tier: 2')
      .replace('mode: observe', 'mode: observed\n    mode: observer');
    const lines = text.split('\n');
    const line = (start: string) => lines.findIndex((one) => one.trim() === start) + 1;
    expect(await problemsOf(text)).toMatchObject([
      { line: line('tier: 2'), rule: 'duplicate-key', path: 'cujs[0].tier', value: 'tier' },
      { line: line('mode: observer'), rule: 'duplicate-key', value: 'mode' },
      { line: line('mode: observer'), rule: 'one-of', value: 'observer' },
    ]);
  });

  it('duplicate keys in JSON, which JSON.parse would not see', async () => {
    expect(await problemsOf('{"apiVersion": "cuj-gate/v1",\n "cujs": [],\n "cujs": []}', 'r.json')).toEqual([
      at(3, 2, 'duplicate-key'),
      at(3, 10, 'no-cujs'),
    ]);
  });

  it('an invisible character in a key, made visible', async () => {
    const [problem] = await problemsOf(good.replace('mode: observe', 'mo\u200bde: observe'));
    expect(problem).toMatchObject({ rule: 'unknown-key', message: expect.stringContaining('mo\\u200bde') });
    expect(problem?.fix).toMatch(/^Did you mean mode\?/);
  });

  it('keys of objects everywhere in JavaScript are unknown keys like others', async () => {
    const text = good.replace('mode: observe', '__proto__: { a: 1 }\n    constructor: 1\n    toString: 1');
    expect((await problemsOf(text)).map(({ rule, value }) => [rule, value])).toEqual([
      ['unknown-key', '__proto__'],
      ['unknown-key', 'constructor'],
      ['unknown-key', 'toString'],
    ]);
  });

  it('one of 2,000 wrong CUJs: a thousand are told, the rest counted', async () => {
    const result = await loadRegistry(
      scratchFile(`apiVersion: cuj-gate/v1\ncujs:\n${'  - 1\n'.repeat(2000)}`),
    );
    expect(result).toMatchObject({ ok: false, problems: { length: 1000 } });
  });
});

describe('texts that are a registry all the same', () => {
  it.each([
    ['with a byte order mark', `\ufeff${good}`],
    ['with Windows line ends', good.replaceAll('\n', '\r\n')],
    ['with a document start', `---\n${good}`],
    [
      'with anchors, aliases and merge keys',
      good
        .replace(
          'slo: { availability: 99.95, latency: 99 }',
          'slo: &slo { availability: 99.95, latency: 99 }',
        )
        .replace('mode: observe', 'slo: { <<: *slo, latency: 98 }\n    service: auth\n    latencyMs: 300')
        .replace('- { service: web, resource: /home }', '- GET /home'),
    ],
  ])('%s', async (_, content) => {
    expect(await problemsOf(content)).toEqual([]);
  });

  it('as JSON, indented with tabs or not at all', async () => {
    const document = {
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99.9 } },
      services: { a: { env: 'p', operation: 'o', canary: 'version:{version}' } },
      cujs: [{ name: 'x', title: 'é😀\u2028', owner: 't', service: 'a', endpoints: '*' }],
    };
    for (const space of ['\t', 0, 2]) {
      const result = await loadRegistry(scratchFile(JSON.stringify(document, null, space), 'r.json'));
      expect(result.ok && result.registry.cujs.get('x')?.title).toBe('é😀\u2028');
    }
  });
});

describe('files', () => {
  it('over 5 MiB are refused unread', async () => {
    const [problem] = await problemsOf(Buffer.alloc(5 * 1024 * 1024 + 1, '#'));
    expect(problem).toMatchObject({ rule: 'file-too-large', value: 5 * 1024 * 1024 + 1 });
  });

  it('of a folder are merged in the order of their names; dot files, folders and other files are left out', async () => {
    const split = good.indexOf('cujs:');
    const header = 'apiVersion: cuj-gate/v1\n';
    const folder = scratchFolder({
      'b.yml': header + good.slice(split),
      'a.yaml': good.slice(0, split),
      'notes.txt': 'not: [valid',
      '.hidden.yaml': 'not: [valid',
      // What `cuj-gate schema` prints, where an editor finds it.
      'registry.schema.json': '{ "$schema": "x" }',
    });
    const result = await loadRegistry(folder);
    expect(result).toMatchObject({ ok: true, files: [join(folder, 'a.yaml'), join(folder, 'b.yml')] });
    expect(result.ok && [...result.registry.cujs.keys()]).toEqual(['login', 'everything', 'first-view']);
  });

  it('of a folder each tell their problems; one that cannot be read makes no name of another unknown', async () => {
    const split = good.indexOf('cujs:');
    const folder = scratchFolder({
      'a.yaml': `${good.slice(0, split)}\nx: [`,
      'b.yaml': `apiVersion: cuj-gate/v1\n${good.slice(split).replace('owner: team-web', 'owner: 5')}`,
    });
    const result = await loadRegistry(folder);
    const rules = result.ok ? [] : result.problems.map(({ file, rule }) => `${file.slice(-6)} ${rule}`);
    expect(new Set(rules)).toEqual(new Set(['a.yaml syntax', 'b.yaml type']));
  });

  it('give the same digest wherever they lie, and another for another byte or name', async () => {
    const digest = async (name: string, content: string) => {
      const result = await loadRegistry(scratchFolder({ [name]: content }));
      return result.ok ? result.registry.digest : '';
    };
    const one = await digest('a.yaml', good);
    expect(one).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await digest('a.yaml', good)).toBe(one);
    expect(await digest('a.yaml', `${good}\n`)).not.toBe(one);
    expect(await digest('b.yaml', good)).not.toBe(one);
  });

  it.each([
    ['no such file', 'nowhere.yaml', 'no-such-file'],
    ['a folder without a registry', '.', 'no-files'],
    ['a file of another kind', 'notes.txt', 'unknown-extension'],
    ['a symbolic link to nothing', 'dangling.yaml', 'no-such-file'],
  ])('%s', async (_, name, rule) => {
    const folder = scratchFolder({ 'notes.txt': 'hello' });
    if (name === 'dangling.yaml') symlinkSync(join(folder, 'gone'), join(folder, name));
    const result = await loadRegistry(join(folder, name));
    expect(result).toMatchObject({ ok: false, problems: [{ rule, file: join(folder, name) }] });
  });

  it('that are pipes would never end and are not opened', async () => {
    const folder = scratchFolder();
    execFileSync('mkfifo', [join(folder, 'pipe.yaml')]);
    expect(await loadRegistry(join(folder, 'pipe.yaml'))).toMatchObject({
      problems: [{ rule: 'not-a-file' }],
    });
    expect(await loadRegistry(folder)).toMatchObject({ problems: [{ rule: 'no-files' }] });
  });
});
