/**
 * npm run bench [-- --only NAME] [--rounds N] [--write]: every figure of docs/performance.md, against baselines that
 * this script starts, round by round in turn. Exits 1 if a figure misses its target.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measureClient, measureSockets } from './client.ts';
import { measureEconomy } from './economy.ts';
import { type Figure, reached, row } from './figure.ts';
import { measureHttp } from './http.ts';
import { measureJudge } from './judge.ts';
import { measurePage } from './page.ts';
import { measureRegistry, measureReload } from './registry.ts';
import { measureStart } from './start.ts';

const all: Readonly<Record<string, (rounds: number, folder: string) => Figure[] | Promise<Figure[]>>> = {
  http: measureHttp,
  calls: (_, folder) => measureEconomy(folder),
  client: measureClient,
  sockets: (_, folder) => measureSockets(folder),
  start: measureStart,
  registry: measureRegistry,
  reload: measureReload,
  judge: measureJudge,
  page: measurePage,
};

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '7' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(args.rounds);
const names = args.only ?? Object.keys(all);
const unknown = names.filter((name) => !(name in all));
if (unknown.length > 0 || !(rounds >= 1) || (args.write && args.only !== undefined)) {
  console.error(
    `usage: npm run bench [-- --only ${Object.keys(all).join('|')}] [--rounds N] [--write]; --write takes all figures`,
  );
  process.exit(2);
}

const figures: Figure[] = [];
for (const name of names) {
  const folder = mkdtempSync(path.join(os.tmpdir(), `cuj-gate-bench-${name}-`));
  try {
    const measured = (await all[name]?.(rounds, folder)) ?? [];
    figures.push(...measured);
    for (const figure of measured) {
      const [what, value, range, target, good] = row(figure);
      console.log(
        `${what.padEnd(84)} ${value.padStart(10)}   ${range.padEnd(24)} ${target.padEnd(10)} ${good}`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const missed = figures.filter((figure) => reached(figure) === false);
console.log(
  missed.length === 0
    ? `\nall ${figures.filter((figure) => reached(figure) !== undefined).length} targets reached`
    : `\nmissed: ${missed.map(({ name }) => name).join('; ')}`,
);
if (args.write) writeTable();
process.exitCode = missed.length === 0 ? 0 : 1;

function writeTable(): void {
  const file = path.join(import.meta.dirname, '../../docs/performance.md');
  const [cpu] = os.cpus();
  const machine = `${os.cpus().length} × ${cpu?.model.trim()}, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB, ${os.type()} ${os.arch()}, Node ${process.version}`;
  const table = [
    `Measured ${new Date().toISOString().slice(0, 10)} on ${machine}; ${rounds} rounds, load average ${os.loadavg()[0]?.toFixed(1)} at the end.`,
    '',
    '| what | median | min to max | target | reached |',
    '|---|---|---|---|---|',
    ...figures.map((figure) => `| ${row(figure).join(' | ')} |`),
  ].join('\n');
  const text = readFileSync(file, 'utf8');
  const marked = /(<!-- figures -->\n)[\s\S]*?(<!-- \/figures -->)/;
  writeFileSync(
    file,
    text.replace(marked, (_, begin: string, end: string) => `${begin}${table}\n${end}`),
  );
}
