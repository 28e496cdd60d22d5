/** Run as a process of its own: `time FOLDER JSON ROUNDS` or `memory FOLDER`. Prints one line of JSON. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { loadInBackground } from '../../src/registry-files/background.ts';
import { loadRegistries } from '../../src/registry-files/load.ts';

const [mode, folder = '', second = '', third = ''] = process.argv.slice(2);

/**
 * The peak of this process's resident memory, by Linux (VmHWM). `resourceUsage().maxRSS` begins with that of the process that started
 * this one.
 */
function peakBytes(): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

async function loadOnce(load = loadRegistries): Promise<void> {
  const loaded = await load(folder);
  if (!loaded.ok) throw new Error(loaded.problems[0]?.message);
}

if (mode === 'time') {
  const schema = JSON.parse(readFileSync(new URL(process.env.SCHEMA as string), 'utf8'));
  const validate = new Ajv2020({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = -2; round < Number(third); round += 1) {
    const began = performance.now();
    if (!validate(JSON.parse(readFileSync(second, 'utf8')))) throw new Error('ajv refuses the registry');
    const between = performance.now();
    await loadOnce();
    if (round < 0) continue;
    theirs.push(between - began);
    ours.push(performance.now() - between);
  }
  console.log(JSON.stringify({ ours, theirs }));
} else {
  const before = process.memoryUsage().rss;
  await loadOnce(mode === 'background' ? (path) => loadInBackground(path) : undefined);
  const peak = peakBytes();
  console.log(JSON.stringify({ peakMb: peak / 1e6, grownMb: (peak - before) / 1e6 }));
}
