import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { compose } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';

const page = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');

interface Described {
  readonly paths: Record<
    string,
    Record<string, { parameters?: { in: string; name: string }[]; responses: object }>
  >;
}

it('docs/http.md names every route, parameter and status that /openapi.json has, and no other route', async () => {
  const gate = await compose(
    readSettings({
      DD_API_KEY: 'a'.repeat(32),
      DD_APP_KEY: 'b'.repeat(40),
      DD_URL: 'http://127.0.0.1:1',
      CUJ_GATE_REGISTRY: new URL('../../config/cujs.yaml', import.meta.url).pathname,
    }),
    { logger: pino({ level: 'silent' }) },
  );
  const { paths }: Described = (await gate.app.inject('/openapi.json')).json();
  await gate.close();
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  for (const route of Object.keys(paths)) expect(page).toContain(`\`${route}\``);
  for (const [, route] of page.matchAll(/`(\/[^`]*)`/g)) expect(Object.keys(paths)).toContain(route);
  for (const { parameters = [], responses } of operations) {
    for (const { in: where, name } of parameters)
      if (where === 'query') expect(page).toMatch(new RegExp(`^\\| .*\`${name}\``, 'm'));
    for (const status of Object.keys(responses))
      expect(page).toMatch(new RegExp(`^\\| .*\\b${status}\\b.* \\|`, 'm'));
  }
});
