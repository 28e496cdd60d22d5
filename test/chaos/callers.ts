import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { type Draw, pick } from './draw.ts';
import type { Asked } from './evidence.ts';
import type { GateProcess } from './gates.ts';
import { journeys, unknownVersion, versions } from './world.ts';

/** Callers of a gate: controllers with valid requests, and people with typing mistakes. */

export interface Question {
  readonly path: string;
  readonly headers?: Record<string, string>;
  /** The input to check the answer with; absent where the request is a mistake. */
  readonly asked?: Omit<Asked, 'startedMs' | 'endedMs'>;
  /** The statuses that the answer to a mistake may have; only 200 if empty. */
  readonly statuses: readonly number[];
}

export interface Answered {
  readonly gate: GateProcess;
  readonly life: string;
  /** How far the gate's clock was ahead, in ms. */
  readonly skewMs: number;
  readonly question: Question;
  readonly startedMs: number;
  readonly endedMs: number;
  /** Absent where no answer came. */
  readonly status?: number;
  readonly text?: string;
  readonly error?: string;
}

const askable = [
  ...versions.filter(({ nature }) => nature !== 'stable').map(({ name }) => name),
  unknownVersion,
];

/**
 * So many questions that the gate has to forget all verdicts that it remembered before (at most 2,000, evaluator.ts). A
 * question about a service is remembered as one verdict for each of its CUJs, of which two services have nine.
 *
 * Their windows begin in so many minutes that each answer is a look of its own: the history compares a look with the last 20 of its release.
 * So the looks that it keeps reach their bound (asked-releases.ts).
 */
export function fillingQuestions(nowMs: number): Question[] {
  const spans = Array.from({ length: 40 }, (_, i) => ({
    sinceMs: wholeSecond(nowMs) - (60 * (5 + (i % fillingMinutes)) + i) * 1000,
  }));
  return askable.flatMap((version) =>
    services.flatMap((name) =>
      spans.map((span) => statusQuestion({ kind: 'service', name, version, ...span }, false, false)),
    ),
  );
}

/** The windows of canaries, which began half an hour before the run, can begin in so many minutes. */
const fillingMinutes = 24;

const services = ['member-api', 'matching-api'];

export function question(draw: Draw, nowMs: number): Question {
  const dice = draw();
  if (dice < 0.12) return garbage(draw);
  const version = pick(draw, askable);
  const kind = draw() < 0.25 ? 'service' : 'cuj';
  const name = pick(draw, kind === 'cuj' ? Object.keys(journeys) : services);
  const inHeader = draw() < 0.5;
  const how = draw();
  const span =
    how < 0.15
      ? { windowMinutes: 5 }
      : how < 0.4
        ? { sinceMs: wholeSecond(nowMs - 60_000 * (3 + Math.floor(draw() * 23))) }
        : {};
  const explained = kind === 'cuj' && draw() < 0.1;
  return statusQuestion({ kind, name, version, ...span }, inHeader, explained);
}

const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

function statusQuestion(
  asked: Omit<Asked, 'startedMs' | 'endedMs'>,
  inHeader: boolean,
  explained: boolean,
): Question {
  const { kind, name, version, windowMinutes, sinceMs } = asked;
  const query: string[] = [];
  if (!inHeader) query.push(`version=${version}`);
  if (windowMinutes !== undefined) query.push(`window=${windowMinutes}m`);
  if (sinceMs !== undefined) query.push(`since=${sinceMs / 1000}`);
  if (explained) query.push('explain');
  const path = `/${kind}s/${name}/status`;
  return {
    path: query.length === 0 ? path : `${path}?${query.join('&')}`,
    ...(inHeader ? { headers: { 'x-canary-version': version } } : {}),
    asked,
    statuses: [],
  };
}

function garbage(draw: Draw): Question {
  return pick<() => Question>(draw, [
    () => ({ path: '/cujs/sign-upp/status?version=v1.1.0', statuses: [404] }),
    () => ({ path: '/services/nobody/status?version=v1.1.0', statuses: [404] }),
    () => ({ path: '/cujs/signup/status', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=*', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=a&version=b', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=v1.1.0&window=1s', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=v1.1.0&since=soon', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=v1.1.0&colour=red', statuses: [400] }),
    () => ({ path: '/cujs/signup/status?version=%ff%fe', statuses: [400] }),
    () => ({ path: `/cujs/${'x'.repeat(5000)}/status`, statuses: [400, 404, 414] }),
    () => ({ path: '/cujs/__proto__/status?version=v1.1.0', statuses: [404] }),
    () => ({ path: '/', statuses: [404] }),
    () => ({ path: '/registry?pretty', statuses: [] }),
    () => ({ path: '/cujs', statuses: [] }),
    () => ({ path: '/healthz', statuses: [] }),
    () => ({ path: '/openapi.json', statuses: [] }),
  ])();
}

export class Callers {
  readonly #agent = new Agent({ connections: 64, bodyTimeout: 20_000, headersTimeout: 20_000 });
  readonly #draw: Draw;
  readonly #take: (answered: Answered) => void;
  #waiting = 0;
  #stopped = false;

  constructor(draw: Draw, take: (answered: Answered) => void) {
    this.#draw = draw;
    this.#take = take;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Sends requests until stopped, then resolves. */
  async call(gate: GateProcess, pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      if (!gate.running) {
        await sleep(50);
        continue;
      }
      await this.ask(gate, question(this.#draw, Date.now()));
      await sleep(pauseMs * (0.5 + this.#draw()));
    }
  }

  async ask(gate: GateProcess, asked: Question): Promise<void> {
    const { life, skewMs } = gate;
    const startedMs = Date.now();
    this.#waiting += 1;
    const about = { gate, life, skewMs, question: asked, startedMs };
    try {
      const { statusCode, body } = await request(gate.url + asked.path, {
        dispatcher: this.#agent,
        ...(asked.headers === undefined ? {} : { headers: asked.headers }),
      });
      const text = await body.text();
      this.#take({ ...about, endedMs: Date.now(), status: statusCode, text });
    } catch (error) {
      this.#take({
        ...about,
        endedMs: Date.now(),
        error: `${(error as NodeJS.ErrnoException).code ?? error}`,
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Sends all of them, some at a time. */
  async askAll(gate: GateProcess, questions: Iterable<Question>): Promise<void> {
    const rest = questions[Symbol.iterator]();
    const inTurn = async () => {
      for (let next = rest.next(); !next.done; next = rest.next()) await this.ask(gate, next.value);
    };
    await Promise.all([inTurn(), inTurn(), inTurn(), inTurn()]);
  }

  stop(): void {
    this.#stopped = true;
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}
