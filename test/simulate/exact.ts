/**
 * Chances of aborts by exact calculation, without simulation. The number of bad events is a Markov chain, and the rollouts
 * that the rule does not abort are followed over the interim analyses. The condition that a fault must last is left
 * out, so the true chance is even lower.
 */
import { EvidenceProcess, logMixture } from '../../src/domain/statistics/e-process.ts';
import {
  logWithRestarts,
  minuteWeight,
  RestartableEvidence,
} from '../../src/domain/statistics/restartable-evidence.ts';

/** Chances of 0, 1, 2 … `most` of `n` events being bad. */
export function binomial(n: number, rate: number, most: number): number[] {
  const chances: number[] = [];
  let log = n * Math.log1p(-rate);
  for (let e = 0; e <= Math.min(n, most); e += 1) {
    chances.push(Math.exp(log));
    log += Math.log(((n - e) / (e + 1)) * (rate / (1 - rate)));
  }
  return chances;
}

export interface Rollout {
  readonly looks: number;
  readonly requestsPerLook: number;
  /** The true rate of bad events. */
  readonly rate: number;
}

/**
 * The chance that a rule aborts at any interim analysis. `lineAt` gives the minimum of bad events that aborts at a number
 * of requests; Infinity where none does.
 */
export function everAborts(
  { looks, requestsPerLook, rate }: Rollout,
  lineAt: (requests: number) => number,
): number {
  // going[e]: the chance of e bad events so far, without an abort at any analysis.
  let going = [1];
  let aborted = 0;
  for (let look = 1; look <= looks; look += 1) {
    const line = lineAt(look * requestsPerLook);
    const most = line === Number.POSITIVE_INFINITY ? going.length + 60 : line;
    const steps = binomial(requestsPerLook, rate, most);
    const next = new Array<number>(most).fill(0);
    let kept = 0;
    let before = 0;
    going.forEach((chance, e) => {
      before += chance;
      for (let more = 0; more < steps.length && e + more < most; more += 1) {
        const both = chance * (steps[more] as number);
        next[e + more] = (next[e + more] as number) + both;
        kept += both;
      }
    });
    aborted += before - kept;
    going = next;
  }
  return aborted;
}

/** The abort threshold of `confidence` for a single endpoint, without the condition that a fault must last. */
export function confidenceLine(budget: number, alpha = 0.05): (requests: number) => number {
  let line = 2;
  let last = 0;
  return (requests) => {
    const process = new EvidenceProcess(requests, budget);
    if (requests < last) line = 2;
    last = requests;
    while (process.log(line) < Math.log(1 / alpha)) line += 1;
    return line <= requests ? line : Number.POSITIVE_INFINITY;
  };
}

/** The abort threshold of `strict`: the minimum of bad events that violates the objective. */
export function strictLine(budgetPer100k: number): (requests: number) => number {
  return (requests) => Math.floor((budgetPer100k * requests) / 100_000) + 1;
}

/**
 * The chance that the evidence of a CUJ of two endpoints, pooled and apart, ever reaches 1/alpha. `requests` is the
 * number for each endpoint between two analyses.
 */
export function everAbortsOfTwo(
  looks: number,
  requests: readonly [number, number],
  rates: readonly [number, number],
  budget: number,
  alpha = 0.05,
): number {
  const most = 40;
  const steps = [binomial(requests[0], rates[0], most), binomial(requests[1], rates[1], most)] as const;
  let going = new Map<number, number>([[0, 1]]);
  let aborted = 0;
  for (let look = 1; look <= looks; look += 1) {
    const [n1, n2] = [look * requests[0], look * requests[1]];
    const pooled = new EvidenceProcess(n1 + n2, budget);
    const first = new EvidenceProcess(n1, budget);
    const second = new EvidenceProcess(n2, budget);
    const next = new Map<number, number>();
    for (const [state, chance] of going) {
      const [e1, e2] = [Math.floor(state / 1000), state % 1000];
      let kept = 0;
      for (let a = 0; a < steps[0].length; a += 1) {
        const left = chance * (steps[0][a] as number);
        if (left < 1e-18) break;
        for (let b = 0; b < steps[1].length; b += 1) {
          const both = left * (steps[1][b] as number);
          if (both < 1e-18) break;
          const [f1, f2] = [e1 + a, e2 + b];
          const evidence = logMixture(pooled.log(f1 + f2), [first.log(f1), second.log(f2)]);
          if (f1 + f2 >= 2 && evidence >= Math.log(1 / alpha)) continue;
          next.set(f1 * 1000 + f2, (next.get(f1 * 1000 + f2) ?? 0) + both);
          kept += both;
        }
      }
      aborted += chance - kept;
    }
    going = next;
  }
  return aborted;
}

/**
 * The chance that the whole evidence of a CUJ of two endpoints ever reaches 1/alpha, with the part that can start again: over all
 * outcomes, looking after each request. `minutes` has the requests of both endpoints in each minute, first all of one, then all of the
 * other.
 */
export function everAbortsWithRestarts(
  minutes: readonly (readonly [number, number])[],
  rate: number,
  alpha: number,
): number {
  const weight = minuteWeight(minutes.length - 1, 0);
  const bad: [number, number][] = minutes.map(() => [0, 0]);
  const total: [number, number][] = minutes.map(() => [0, 0]);
  const evidence = (of: (both: readonly [number, number]) => number, end: number) => {
    const counts = { total: total.slice(0, end).map(of), bad: bad.slice(0, end).map(of), scale: 1 };
    const [n, e] = [counts.total, counts.bad].map((all) => all.reduce((a, b) => a + b, 0));
    const late = new RestartableEvidence(counts, 0, end, rate, weight);
    return logWithRestarts(new EvidenceProcess(n as number, rate).log(e as number), late.value);
  };
  const both = ([a, b]: readonly [number, number]) => a + b;
  const first = ([a]: readonly [number, number]) => a;
  const second = ([, b]: readonly [number, number]) => b;
  const visit = (minute: number, endpoint: 0 | 1): number => {
    const now = total[minute];
    const planned = minutes[minute];
    if (now === undefined || planned === undefined) return 0;
    if (now[endpoint] >= planned[endpoint]) return endpoint === 0 ? visit(minute, 1) : visit(minute + 1, 0);
    const failed = bad[minute] as [number, number];
    let chance = 0;
    for (const [more, weightOf] of [
      [0, 1 - rate],
      [1, rate],
    ] as const) {
      now[endpoint] += 1;
      failed[endpoint] += more;
      const end = minute + 1;
      const log = logMixture(evidence(both, end), [evidence(first, end), evidence(second, end)]);
      chance += weightOf * (log >= Math.log(1 / alpha) ? 1 : visit(minute, endpoint));
      now[endpoint] -= 1;
      failed[endpoint] -= more;
    }
    return chance;
  };
  return visit(0, 0);
}
