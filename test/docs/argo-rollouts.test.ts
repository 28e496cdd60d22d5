import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AnalysisOptions, defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import { virtualServices } from '../../src/generate/argo/virtual-service.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';

const root = path.join(import.meta.dirname, '../..');
const examples = path.join(root, 'test', 'e2e', 'examples');

interface Block {
  line: number;
  from: string | undefined;
  lines: string[];
}

/** The YAML blocks of the guide, each with the file that the comment above it names. */
function yamlBlocks(): Block[] {
  const text = readFileSync(path.join(root, 'docs', 'argo-rollouts.md'), 'utf8').split('\n');
  const blocks: Block[] = [];
  text.forEach((line, i) => {
    if (!line.startsWith('```yaml')) return;
    const end = text.indexOf('```', i);
    const from = /^<!-- from: (\S+) -->$/.exec(text[i - 1] ?? '')?.[1];
    blocks.push({ line: i + 1, from, lines: text.slice(i + 1, end) });
  });
  return blocks;
}

/** Whether the lines stand in the file together, all indented by the same. */
function holds(file: readonly string[], lines: readonly string[]): boolean {
  return file.some((first, at) => {
    const indent = /^ */.exec(first)?.[0] ?? '';
    return lines.every((line, i) => file[at + i] === (line === '' ? '' : indent + line));
  });
}

const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();

describe('docs/argo-rollouts.md', () => {
  it('shows YAML at all', () => {
    expect(yamlBlocks().length).toBeGreaterThan(5);
  });

  it.each(yamlBlocks().map((block) => ({ ...block, name: block.from ?? 'no file' })))(
    'the block on line $line is a part of $name',
    ({ from, lines }) => {
      expect(from, 'a comment "<!-- from: FILE -->" must stand right above it').toBeDefined();
      const file = readFileSync(path.join(root, from as string), 'utf8').split('\n');
      expect(holds(file, lines), `${from} does not hold:\n${lines.join('\n')}`).toBe(true);
    },
  );

  const variants: [folder: string, what: 'all' | 'templates', changes: Partial<AnalysisOptions>][] = [
    ['generated', 'all', {}],
    ['with-token', 'templates', { auth: { kind: 'token', secret: 'cuj-gate-token', key: 'token' } }],
  ];
  it.each(variants)(
    'the files in examples/%s are what generate makes today',
    async (folder, what, changes) => {
      const loaded = await loadRegistry(path.join(examples, 'cujs.yaml'));
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
      const options = { ...defaultAnalysisOptions, ...changes };
      const files = [
        ...analysisTemplates(loaded.registry, options),
        ...(what === 'all'
          ? [
              ...rollouts(loaded.registry, { ...options, analysis: 'cujs' }),
              ...virtualServices(loaded.registry, {}),
            ]
          : []),
      ];
      expect(filesBelow(path.join(examples, folder))).toEqual(files.map((file) => file.path).sort());
      for (const file of files) {
        expect(readFileSync(path.join(examples, folder, file.path), 'utf8'), file.path).toBe(file.text);
      }
    },
  );
});
