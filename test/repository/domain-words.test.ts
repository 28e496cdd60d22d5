import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const domain = fileURLToPath(new URL('../../src/domain', import.meta.url));

it('the domain names no backend: what people know it by comes from its dialect', () => {
  const named = readdirSync(domain, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      readFileSync(join(domain, file), 'utf8')
        .split('\n')
        .map((line, i) => `${file}:${i + 1}: ${line.trim()}`),
    )
    .filter((line) => /datadog|\bDD_[A-Z]/i.test(line));
  expect(named).toEqual([]);
});
