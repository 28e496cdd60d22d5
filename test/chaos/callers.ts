import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { type Draw, pick } from './faults.ts';
import type { GateProcess } from './gates.ts';
import type { Asked } from './oracle.ts';
import { cujRoutes, unknownVersion, versions } from './world.ts';

/** Callers of a gate: controllers with sane questions, and people who mistype. */

export interface Question {
  readonly path: string;
  readonly headers?: Record<string, string>;
  /** What the answer is judged by; absent where the question is a mistake. */
  readonly asked?: Omit<Asked, 'startedMs' | 'endedMs'>;
  /** Statuses besides 200 and 503 (draining) that are right. */
  readonly statuses: readonly number[];
}

export interface Answered {
  readonly gate: GateProcess;
  readonly life: string;
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

export function question(draw: Draw, nowMs: number): Question {
  const dice = draw();
  if (dice < 0.12) return garbage(draw);
  const version = pick(draw, askable);
  const kind = draw() < 0.25 ? 'service' : 'cuj';
  const name =
    kind === 'cuj' ? pick(draw, Object.keys(cujRoutes)) : pick(draw, ['member-api', 'matching-api']);
  const path = kind === 'cuj' ? `/cujs/${name}/status` : `/services/${name}/status`;
  const query: string[] = [];
  const inHeader = draw() < 0.5;
  if (!inHeader) query.push(`version=${version}`);
  let more: Pick<Asked, 'windowMinutes' | 'sinceMs'> = {};
  const how = draw();
  if (how < 0.15) {
    more = { windowMinutes: 5 };
    query.push('window=5m');
  } else if (how < 0.3) {
    const seconds = Math.floor(nowMs / 1000) - 60 * (3 + Math.floor(draw() * 20));
    more = { sinceMs: seconds * 1000 };
    query.push(`since=${seconds}`);
  }
  if (kind === 'cuj' && draw() < 0.1) query.push('explain');
  return {
    path: query.length === 0 ? path : `${path}?${query.join('&')}`,
    ...(inHeader ? { headers: { 'x-canary-version': version } } : {}),
    asked: { kind, name, version, ...more },
    // A CUJ that only some of the registries have.
    statuses: name === 'watched' ? [404] : [],
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

  /** Asks until stopped; resolves then. */
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
    const { life } = gate;
    const startedMs = Date.now();
    this.#waiting += 1;
    const about = { gate, life, question: asked, startedMs };
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

  stop(): void {
    this.#stopped = true;
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}
