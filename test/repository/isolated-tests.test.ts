import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const tests = fileURLToPath(new URL('..', import.meta.url));

/** What changes modules for the files that run later in the same process. */
const replacesModules = /\bvi\.(?:mock|doMock|resetModules)\(/;

it('a test that replaces a module has a process of its own', () => {
  const files = readdirSync(tests, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.ts$/.test(file),
  );
  const replacing = files.filter((file) => replacesModules.test(readFileSync(join(tests, file), 'utf8')));
  expect(replacing).toContain(join('seams', 'sli-kind.isolated.test.ts'));
  // Integration tests are isolated too.
  expect(replacing.filter((file) => !/\.(?:isolated|integration)\.test\.ts$/.test(file))).toEqual([]);
});
