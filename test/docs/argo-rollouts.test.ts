import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AnalysisOptions, defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import { sampleSteps, sampleWaitMinutes } from '../../src/generate/argo/sized-steps.ts';
import { virtualServices } from '../../src/generate/argo/virtual-service.ts';
import { minutesOf, minutesToPass } from '../../src/plan/projection.ts';
import { type StepSizes, stepSizes } from '../../src/plan/step-sizes.ts';
import { assumedTraffic, type SliOfService, slisOfServices } from '../../src/plan/subjects.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { smallRegistry } from '../generate/example.ts';

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

/** The table of section 9, from the product's own projection. */
function sizesTable(): string {
  const registry = smallRegistry([{ name: 'thinnest' }]);
  const [of] = slisOfServices(registry) as [SliOfService];
  const lagMinutes = of.cuj.gate.lagMs / 60_000;
  const waitMinutes = sampleWaitMinutes(defaultAnalysisOptions);
  const rows = [2000, 400, 40, 15, 4, 2, 1, 0.5, 0.2].map((requests) => {
    const subject = assumedTraffic(of, requests);
    const { need } = subject;
    const perMinute = (requests * sampleSteps.weight) / 100;
    const minutes = minutesToPass(need, perMinute);
    const isProven = minutesOf(need.proven, perMinute) <= minutes;
    const unlucky = minutesToPass(need, perMinute / 2);
    const sizes = stepSizes([subject], { ...sampleSteps, waitMinutes }) as StepSizes;
    const until = sizes.waitMinutes.get('thinnest');
    return [
      requests.toLocaleString('en'),
      `${minutes} min, ${isProven ? 'proven' : 'limited evidence'}`,
      unlucky + lagMinutes <= waitMinutes
        ? 'passes'
        : minutes + lagMinutes <= waitMinutes
          ? 'passes, with some luck'
          : 'pauses for a person',
      until === undefined
        ? 'watched only'
        : `${sizes.weight}%, ${sizes.pauseMinutes} min, until minute ${Math.floor(until)}`,
    ];
  });
  const lines = [
    ['requests a minute', 'data for a pass', 'sample', 'sized'],
    ['---', '---', '---', '---'],
    ...rows,
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
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

  it('says what the steps are for some traffic', () => {
    const text = readFileSync(path.join(root, 'docs', 'argo-rollouts.md'), 'utf8');
    expect(/<!-- sizes -->\n\n([\s\S]*?)\n\n<!-- \/sizes -->/.exec(text)?.[1]).toBe(sizesTable());
  });

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
