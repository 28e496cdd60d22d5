import type { Cuj, Registry, Service } from '../domain/registry/model.ts';
import type { ClientFailure } from '../domain/sli/client-failure.ts';
import type { Random } from './datadog/random.ts';
import type { RumIntake } from './datadog/rum.ts';
import type { RumAttributes } from './datadog/rum-search.ts';

/** A view or an action of a client that gets traffic. */
export interface SimulatedClientEndpoint {
  readonly service: string;
  /** `view /signup`. */
  readonly label: string;
  readonly resource: string;
  readonly cujs: readonly Cuj[];
}

export interface ClientTrafficOptions {
  readonly rum: RumIntake;
  readonly registry: Registry;
  readonly endpoint: SimulatedClientEndpoint;
  /** Events a minute of the canary, and how many times as many stable has. */
  readonly perMinute: number;
  readonly stableShare: number;
  /** The rate at which the canary fails besides what is ordinary. */
  readonly brokenRate: number;
  /** Tags of each side by key. */
  readonly tags: Readonly<Record<'canary' | 'stable', Readonly<Record<string, string>>>>;
}

/** What ordinary failures use of the error budget: browsers always have some. */
const ordinaryBurn = 0.1;
const minuteMs = 60_000;
/** In the attributes of events, in ns. */
const nsInMs = 1_000_000;
const ordinaryLoadingMs = 300;
/** Tags that events have by themselves. Others are in the context that the application adds. */
const ownTags = ['env', 'service', 'version'];

/** Both sides of one view or action, as browsers report it. */
export class ClientTraffic {
  readonly #options: ClientTrafficOptions;
  readonly #event: ClientFailure['event'];
  readonly #ordinaryRate: number;
  readonly #good: RumAttributes;
  readonly #failed: RumAttributes;

  constructor(options: ClientTrafficOptions) {
    this.#options = options;
    const { endpoint, registry } = options;
    const client = registry.services.get(endpoint.service) as Service;
    const definitions = endpoint.cujs.flatMap((cuj) =>
      cuj.endpoints.flatMap(({ service, resource, failure }) =>
        service === endpoint.service && resource === endpoint.resource && failure?.by.kind === 'client'
          ? failure.by
          : [],
      ),
    );
    const [{ event } = { event: 'view' as const }] = definitions;
    this.#event = event;
    const budgets = endpoint.cujs.flatMap(({ objectives }) => objectives.client?.budget ?? []);
    this.#ordinaryRate = Math.min(1, ...budgets) * ordinaryBurn;
    this.#good = {
      'application.id': client.client?.id ?? '',
      'session.type': 'user',
      env: client.env,
      [`${event}.name`]: endpoint.label.slice(event.length + 1),
      [`${event}.error.count`]: 0,
      [`${event}.loading_time`]: Math.min(ordinaryLoadingMs, ...slowLimits(definitions)) * nsInMs,
      ...(event === 'view' ? { 'view.frustration.count': 0 } : {}),
    };
    this.#failed = { ...this.#good, ...failures(event, definitions) };
  }

  serve(at: number, minutes: number, isCanaryThere: boolean, random: Random): void {
    const { perMinute, stableShare, brokenRate } = this.#options;
    const mean = perMinute * minutes;
    this.#send('stable', at, random.poisson(mean * stableShare), this.#ordinaryRate, random);
    if (!isCanaryThere) return;
    this.#send('canary', at, random.poisson(mean), Math.min(1, this.#ordinaryRate + brokenRate), random);
  }

  /** Stable's events of a span of the weeks before. */
  servePast(at: number, spanMs: number, random: Random): void {
    const { perMinute, stableShare } = this.#options;
    const events = random.poisson((perMinute * stableShare * spanMs) / minuteMs);
    this.#send('stable', at + spanMs / 2, events, this.#ordinaryRate, random);
  }

  #send(side: 'canary' | 'stable', endedAt: number, events: number, rate: number, random: Random): void {
    const failed = random.binomial(events, rate);
    const tags = Object.fromEntries(
      Object.entries(this.#options.tags[side]).map(([key, value]) => [
        ownTags.includes(key) ? key : `context.${key}`,
        value,
      ]),
    );
    for (const [count, attributes] of [
      [events - failed, this.#good],
      [failed, this.#failed],
    ] as const) {
      if (count === 0) continue;
      this.#options.rum.send({ type: this.#event, count, endedAt, attributes: { ...attributes, ...tags } });
    }
  }
}

function slowLimits(definitions: readonly ClientFailure[]): number[] {
  return definitions.flatMap(({ slowMs }) => slowMs ?? []);
}

/** What an event has that fails by all of the definitions. */
function failures(event: ClientFailure['event'], definitions: readonly ClientFailure[]): RumAttributes {
  const has = (signal: ClientFailure['signals'][number]) =>
    definitions.some(({ signals }) => signals.includes(signal));
  const slow = slowLimits(definitions);
  return {
    ...(has('error') ? { [`${event}.error.count`]: 1 } : {}),
    ...(has('frustration')
      ? event === 'view'
        ? { 'view.frustration.count': 1 }
        : { 'action.frustration.type': 'error_click' }
      : {}),
    ...(slow.length === 0 ? {} : { [`${event}.loading_time`]: 2 * Math.max(...slow) * nsInMs }),
  };
}
