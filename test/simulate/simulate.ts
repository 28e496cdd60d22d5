import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { seededRandom } from '../domain/judge/journey.ts';
import { type Aborts, abortsOf, type FaultTimes, faults, looks, timesOf } from './late-faults.ts';
import { type Ending, type Rule, rollOut, rules, type Scenario } from './rollout.ts';
import { scenarios } from './scenarios.ts';

/** How one scenario ends under one rule, in runs and medians over those runs. */
export interface Tally {
  readonly fail: number;
  readonly pass: number;
  readonly inconclusive: number;
  /** Runs whose last analysis would have passed without evidence that may be a blip. */
  readonly heldBack: number;
  readonly minutesToFail: number | null;
  readonly requestsToFail: number | null;
  readonly minutesToPass: number | null;
  readonly requestsToPass: number | null;
}

export type Cell = { readonly id: string } & { readonly [rule in Rule]: Tally };

/** One line of one table of docs/verdicts.md. */
export type Line = Cell | FaultTimes | Aborts;

export interface Results {
  readonly seed: number;
  readonly runs: number;
  /** SHA-256 of the JSON of the lines from which the tables in docs/verdicts.md were made. */
  readonly checksum: string;
  readonly cells: readonly Cell[];
  readonly faultTimes: readonly FaultTimes[];
  readonly aborts: readonly Aborts[];
}

/** Evidence alone takes far less time than the judge, and a small chance takes many rollouts. */
const abortRuns = 10;

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] as number;
}

function tally(endings: readonly Ending[]): Tally {
  const of = (outcome: Ending['outcome']) => endings.filter((ending) => ending.outcome === outcome);
  const [fail, pass] = [of('fail'), of('pass')];
  return {
    fail: fail.length,
    pass: pass.length,
    inconclusive: endings.length - fail.length - pass.length,
    heldBack: endings.filter((ending) => ending.heldBack).length,
    minutesToFail: median(fail.map(({ look }) => look)),
    requestsToFail: median(fail.map(({ requests }) => requests)),
    minutesToPass: median(pass.map(({ look }) => look)),
    requestsToPass: median(pass.map(({ requests }) => requests)),
  };
}

/**
 * Each rollout of each scenario has random numbers of its own: adding a scenario changes no other one, and adding a rule no
 * other rule. A rollout ends once all rules have decided, so with common numbers the next one would begin elsewhere.
 */
function seedOf(seed: number, id: string, run: number): number {
  return createHash('sha256').update(`${seed} ${id} ${run}`).digest().readUInt32LE(0);
}

/** Simulates one scenario under some of the rules. */
export function simulate(
  scenario: Scenario,
  runs: number,
  seed: number,
  some: readonly Rule[] = rules,
): Cell {
  const endings = Array.from({ length: runs }, (_, run) =>
    rollOut(scenario, seededRandom(seedOf(seed, scenario.id, run)), some),
  );
  const tallies = some.map((rule) => [rule, tally(endings.map((ending) => ending[rule]))] as const);
  return { id: scenario.id, ...(Object.fromEntries(tallies) as Record<Rule, Tally>) };
}

/** One line by the name of its scenario, fault or looks. */
export function lineOf(id: string, runs: number, seed: number): Line {
  const scenario = scenarios.find((each) => each.id === id);
  if (scenario !== undefined) return simulate(scenario, runs, seed);
  const fault = faults.find((each) => each.id === id);
  if (fault !== undefined) return timesOf(fault, runs, seed);
  const look = looks.find((each) => each.id === id);
  if (look !== undefined) return abortsOf(look, abortRuns * runs, seed);
  throw new Error(`nothing to simulate is called ${id}`);
}

/** Results in the order of the scenarios, regardless of the worker. */
export function resultsOf(lines: readonly Line[], runs: number, seed: number): Results {
  const found = new Map(lines.map((line) => [line.id, line]));
  const linesOf = <L extends Line>(all: readonly { readonly id: string }[]) =>
    all.flatMap(({ id }) => {
      const line = found.get(id);
      return line === undefined ? [] : [line as L];
    });
  const sorted = {
    cells: linesOf<Cell>(scenarios),
    faultTimes: linesOf<FaultTimes>(faults),
    aborts: linesOf<Aborts>(looks),
  };
  const checksum = createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
  return { seed, runs, checksum: `sha256:${checksum}`, ...sorted };
}

/** Simulates everything in `processes` processes. `progress` is called after each line. */
export async function simulateAll(
  runs: number,
  seed: number,
  processes: number,
  progress: (done: number, of: number) => void,
): Promise<Results> {
  const open = [...scenarios, ...faults, ...looks].map(({ id }) => id);
  const all = open.length;
  // The slow ones first, so that the run does not wait for one process at its end.
  open.sort((a, b) => Number(b.includes('long')) - Number(a.includes('long')));
  const lines: Line[] = [];
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(new URL('./cell.ts', import.meta.url));
      const next = () => {
        const id = open.shift();
        if (id === undefined) child.disconnect();
        else child.send({ id, runs, seed });
      };
      child.on('message', (line) => {
        lines.push(line as Line);
        progress(lines.length, all);
        next();
      });
      child.on('error', reject);
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`)),
      );
      next();
    });
  await Promise.all(Array.from({ length: processes }, one));
  return resultsOf(lines, runs, seed);
}
