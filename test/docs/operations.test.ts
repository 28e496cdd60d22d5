import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { VerdictSchema } from '../../src/http/openapi/verdict-schemas.ts';
import { documentsOf, exampleDocument, type Loose, registryOf } from '../generate/example.ts';
import { gateMetrics, metricSources } from '../generate/gate-metrics.ts';
import { settingsInMarkdown, settingsOnPage } from './settings-table.ts';

/** Somebody who is woken at night looks a name up: every name must be there. */

const root = path.join(import.meta.dirname, '../..');
const text = readFileSync(path.join(root, 'docs/operations.md'), 'utf8');
const sources = new Map(
  readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name, readFileSync(path.join(root, 'src', name), 'utf8')] as const),
);

const enumOf = (schema: unknown): string[] => (schema as { enum: string[] }).enum;
const { reason, noDataCause } = VerdictSchema.properties;

/** The text below a heading, up to the next one of any level. */
function below(heading: string): string {
  const found = new RegExp(`^#+ ${heading}\\n\\n([\\s\\S]*?)(?=\\n#+ |$(?![\\s\\S]))`, 'm').exec(text);
  return found?.[1] ?? '';
}

const verdictOf = (name: string) =>
  new RegExp(`^\\| \`${name}\` \\| (pass|fail|inconclusive) \\|`, 'm').exec(text)?.[1];
const stopping = (verdict: string) => enumOf(reason).filter((name) => verdictOf(name) === verdict);

const metrics = (await gateMetrics()).map(({ name }) => name);
const generated = documentsOf(prometheusRules(registryOf(exampleDocument()))[0]?.text ?? '')[0];
const rules: Loose[] = generated.groups.flatMap((group: Loose) => group.rules);
const severities = new Map<string, string>(rules.map(({ alert, labels }) => [alert, labels.severity]));
/** Messages have no catalogue: they are read where they are logged. */
const logged = [...sources.values()].flatMap((source) =>
  [...source.matchAll(/logger\.(?:error|warn|fatal)\([^;]*?(?:'([^']{8,})'|"([^"]{8,})"),?\s*\)/g)].map(
    ([, single, double]) => (single ?? double) as string,
  ),
);

describe('docs/operations.md', () => {
  it('begins with a rollout that is stopped, and the command that fills in the others', () => {
    expect(/^## (.*)$/m.exec(text)?.[1]).toBe('A rollout is paused or was aborted');
    expect(/^### (.*)$/m.exec(text)?.[1]).toBe('1. Paste this block');
    expect(text.split('\n').findIndex((line) => line.startsWith('GATE='))).toBeLessThan(30);
  });

  it.each(stopping('inconclusive'))('says what to do about a rollout that is paused by %s', (name) => {
    expect(below('It is paused')).toMatch(
      new RegExp(`^\\| [^|]*\`${name}\`[^|]* \\| .{5,} \\| .{5,} \\|$`, 'm'),
    );
  });

  it.each(stopping('fail'))('says what to do about a rollout that was aborted by %s', (name) => {
    expect(below('It was aborted')).toMatch(
      new RegExp(`^\\| [^|]*\`${name}\`[^|]* \\| .{5,} \\| .{5,} \\|$`, 'm'),
    );
  });

  it('explains every command that the tables name', () => {
    const tables = below('It is paused') + below('It was aborted');
    const named = new Set(
      [...tables.matchAll(/^\|.*$/gm)].flatMap(([row]) =>
        [...row.matchAll(/\*\*(\w+)\*\*/g)].map(([, name]) => name as string),
      ),
    );
    expect([...named].sort()).toEqual(['abort', 'again', 'promote', 'retry']);
    for (const name of named) {
      expect(below('What the commands do')).toMatch(new RegExp(`^\\| \\*\\*${name}\\*\\*`, 'm'));
      expect(text).toMatch(new RegExp(`  ${name} +\\{\\{\\$`));
    }
  });

  it.each([...enumOf(reason)])('says what to do about the reason %s', (name) => {
    expect(text).toMatch(
      new RegExp(`^\\| \`${name}\` \\| (pass|fail|inconclusive) \\| .{10,} \\| .{5,} \\|$`, 'm'),
    );
  });

  it.each([...enumOf(noDataCause)])('says what to do about the silence %s', (name) => {
    expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\| .{10,} \\| .{5,} \\|$`, 'm'));
  });

  it('is checked for the metrics of every file that registers some', () => {
    const registering = /import \{[^}]*\b(?:Counter|Gauge|Histogram|Summary)\b[^}]*\} from 'prom-client'/;
    const found = [...sources].filter(([, source]) => registering.test(source)).map(([name]) => name);
    expect(found.sort()).toEqual(metricSources);
  });

  it('is checked for alerts and messages', () => {
    expect(severities.size).toBeGreaterThan(12);
    expect(logged.length).toBeGreaterThan(12);
  });

  it.each(metrics)('says what the metric %s means', (name) => {
    expect(text).toMatch(new RegExp(`^\\|.*\`${name}\`.* \\| .{10,} \\|$`, 'm'));
  });

  it.each([...severities])('says what to do about the alert %s (%s)', (name, severity) => {
    expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\| ${severity} \\| .{10,} \\|$`, 'm'));
  });

  it.each([...severities.keys()])('has a section of the alert %s that begins with what to do', (name) => {
    expect(below(name)).toMatch(/^1\. .{10,}/);
    for (const rule of rules.filter(({ alert }) => alert === name))
      expect(rule.annotations.docs).toBe(`docs/operations.md#${name.toLowerCase()}`);
  });

  it.each([...new Set(logged)])('says what to do about the message "%s"', (message) => {
    expect(text).toContain(`\`${message}\``);
  });
});

it('docs/settings.md has the table as the code has it (npx tsx test/docs/settings-table.ts)', () => {
  expect(settingsOnPage()).toBe(settingsInMarkdown());
});
