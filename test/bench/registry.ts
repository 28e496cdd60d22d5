import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { request } from 'undici';
import { buildGate } from '../e2e/gate-program.ts';
import { type Figure, median, ratios } from './figure.ts';
import { run, startGate } from './processes.ts';
import { registryDocument, writeRegistry } from './registry-text.ts';

/** Loading large registries: time against JSON.parse and ajv, memory, and the effect of a reload on concurrent requests. */

const root = path.join(import.meta.dirname, '../..');

export async function measureRegistry(rounds: number, folder: string): Promise<Figure[]> {
  // Compiled, so that no process has a TypeScript compiler in its memory.
  const out = path.join(root, '.cache/bench');
  mkdirSync(out, { recursive: true });
  await build({
    entryPoints: [
      path.join(import.meta.dirname, 'registry-child.ts'),
      path.join(root, 'src/registry-files/worker.ts'),
    ],
    outdir: out,
    outExtension: { '.js': '.mjs' },
    entryNames: '[name]',
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  const child = async (...args: string[]) => {
    const { stdout } = await run(process.execPath, [path.join(out, 'registry-child.mjs'), ...args], {
      env: {
        PATH: process.env.PATH,
        SCHEMA: pathToFileURL(path.join(root, 'config/registry.schema.json')).href,
      },
    });
    return JSON.parse(stdout);
  };
  const thousand = writeRegistry(path.join(folder, 'thousand'), 1000);
  const json = path.join(folder, 'thousand.json');
  writeFileSync(json, JSON.stringify(registryDocument(1000, 10)));
  const { ours, theirs } = (await child('time', thousand, json, String(rounds))) as Record<string, number[]>;
  const many = writeRegistry(path.join(folder, 'many'), 10_000);
  const memory: { peakMb: number; grownMb: number }[] = [];
  for (let round = 0; round < Math.min(rounds, 5); round += 1) memory.push(await child('memory', many));
  return [
    {
      name: 'registry: 1,000 CUJs × 10 loaded, against JSON.parse and ajv',
      values: ratios(ours as number[], theirs as number[]),
      unit: '×',
    },
    {
      name: 'registry: 1,000 CUJs × 10 loaded',
      values: ours as number[],
      unit: 'ms',
      target: { atMost: 1_000 },
    },
    {
      name: 'registry: memory that loading 10,000 CUJs × 10 adds, at its peak',
      values: memory.map(({ grownMb }) => grownMb),
      unit: 'MB',
      target: { atMost: 150 },
    },
    {
      name: 'registry: the whole process then, Node included',
      values: memory.map(({ peakMb }) => peakMb),
      unit: 'MB',
      // Node 24 alone takes 77 MB. The chart's limit is 512 MiB.
      target: { atMost: 200 },
    },
  ];
}

/** The longest response time during a reload of 1,000 CUJs, less that of an equally long time without a reload. */
export async function measureReload(rounds: number, folder: string): Promise<Figure[]> {
  const registry = path.join(folder, 'reloaded');
  writeRegistry(registry, 1000);
  const gate = await startGate(await buildGate(path.join(folder, 'gate')), {
    CUJ_GATE_REGISTRY: registry,
    DD_URL: 'http://127.0.0.1:9',
  });
  try {
    const longest: number[] = [];
    const quiet: number[] = [];
    for (let round = -1; round < rounds; round += 1) {
      const still = await longestAnswerMs(gate.url, () => {});
      const reloading = await longestAnswerMs(gate.url, () => writeRegistry(registry, 1000, `-${round}`));
      if (round < 0) continue;
      quiet.push(still);
      longest.push(reloading);
    }
    return [
      {
        name: `reload: what it adds to the longest answer of 4 s (${median(quiet).toFixed(1)} ms without)`,
        values: longest.map((ms, i) => Math.max(0, ms - (quiet[i] as number))),
        unit: 'ms',
        target: { atMost: 50 },
      },
    ];
  } finally {
    await gate.stop();
  }
}

async function longestAnswerMs(url: string, edit: () => void): Promise<number> {
  edit();
  let longest = 0;
  for (const endsAt = performance.now() + 4_000; performance.now() < endsAt; await sleep(2)) {
    const began = performance.now();
    const { body } = await request(`${url}/healthz`);
    await body.dump();
    longest = Math.max(longest, performance.now() - began);
  }
  return longest;
}
