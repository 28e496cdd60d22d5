import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingsTable } from '../../src/settings/settings.ts';

/** The table of docs/settings.md. Run as a program (`npx tsx test/docs/settings-table.ts`), this file writes the table. */

export const page = path.join(import.meta.dirname, '../../docs/settings.md');
const marked = /(<!-- settings -->\n)([\s\S]*?)(<!-- \/settings -->)/;

export function settingsInMarkdown(): string {
  const rows = settingsTable().map(
    ({ name, default: value, description }) =>
      `| \`${name}\` | ${value === undefined ? '' : `\`${value}\``} | ${description.replaceAll('|', '\\|')} |`,
  );
  return `${['| setting | default | what it does |', '|---|---|---|', ...rows].join('\n')}\n`;
}

export function settingsOnPage(): string | undefined {
  return marked.exec(readFileSync(page, 'utf8'))?.[2];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(page, 'utf8');
  writeFileSync(
    page,
    text.replace(marked, (_, begin: string, __, end: string) => begin + settingsInMarkdown() + end),
  );
}
