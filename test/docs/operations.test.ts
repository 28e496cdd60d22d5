import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { VerdictSchema } from '../../src/http/openapi/verdict-schemas.ts';
import { settingsInMarkdown, settingsOnPage } from './settings-table.ts';

/** On-call engineers look names up here: every name must be in the page. */

const root = path.join(import.meta.dirname, '../..');
const text = readFileSync(path.join(root, 'docs/operations.md'), 'utf8');
const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(path.join(root, 'src', name), 'utf8'));

const enumOf = (schema: unknown): string[] => (schema as { enum: string[] }).enum;
const { reason, noDataCause } = VerdictSchema.properties;

/** Metrics by the text that registers them: those of Redis, TLS or an issuer exist only where they are configured. */
const metrics = sources
  .filter((source) => source.includes("from 'prom-client'"))
  .flatMap((source) => [...source.matchAll(/'(cuj_gate_[a-z_]+)'/g)].map(([, name]) => name as string));
const rules = readFileSync(path.join(root, 'src/generate/prometheus/prometheus-rules.ts'), 'utf8');
const alerts = [...rules.matchAll(/'(CujGate\w+)'/g)].map(([, name]) => name as string);
const logged = sources.flatMap((source) =>
  [...source.matchAll(/logger\.(?:error|warn|fatal)\([^;]*?'([^']{8,})',?\s*\)/g)].map(
    ([, message]) => message as string,
  ),
);

describe('docs/operations.md', () => {
  it.each([...enumOf(reason)])('says what to do about the reason %s', (name) => {
    expect(text).toMatch(
      new RegExp(`^\\| \`${name}\` \\| (pass|fail|inconclusive) \\| .{10,} \\| .{5,} \\|$`, 'm'),
    );
  });

  it.each([...enumOf(noDataCause)])('says what to do about the silence %s', (name) => {
    expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\| .{10,} \\| .{5,} \\|$`, 'm'));
  });

  it('knows all metrics, alerts and messages of the sources', () => {
    expect(metrics.length).toBeGreaterThan(15);
    expect(alerts.length).toBeGreaterThan(12);
    expect(logged.length).toBeGreaterThan(6);
  });

  it.each([...new Set(metrics)])('says what the metric %s means', (name) => {
    expect(text).toMatch(new RegExp(`^\\|.*\`${name}\`.* \\| .{10,} \\|$`, 'm'));
  });

  it.each([...new Set(alerts)])('says what to do about the alert %s', (name) => {
    const severity = new RegExp(`'${name}',[\\s\\S]*?'(page|ticket)'`).exec(rules)?.[1];
    expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\| ${severity} \\| .{10,} \\|$`, 'm'));
  });

  it.each([...new Set(logged)])('says what to do about the message "%s"', (message) => {
    expect(text).toContain(`\`${message}\``);
  });
});

it('docs/settings.md has the table as the code has it (npx tsx test/docs/settings-table.ts)', () => {
  expect(settingsOnPage()).toBe(settingsInMarkdown());
});
