import type { EventStore } from '../../src/demo/datadog/store.ts';
import type { Variant } from './registries.ts';
import { type Counted, type Side, Truth } from './truth.ts';
import {
  type Journey,
  journeys,
  type Route,
  routes,
  unknownVersion,
  type Version,
  versions,
  type World,
} from './world.ts';

/**
 * Checks whether an answer can be true. It counts in the event store itself and shares no code with the gate: no queries,
 * no windows, no rules.
 */

const minuteMs = 60_000;
const lagMs = 45_000;
const maxWindowMs = 120 * minuteMs;
/** While all is well, data ends at a multiple of this. */
const calmStepMs = 30_000;
/** Of an answer's two calls, that about the past ends at a multiple of 5 minutes, and at least so long before the other one. */
const pastStepMs = 5 * minuteMs;
const minRecentMs = 10 * minuteMs;
/** After so long a silence a rollout begins anew. A past that stops so early is not kept. */
const restartGapMs = 5 * minuteMs;
/** So much may be left out at the end of the data, where counts of one side are missing. */
const maxIncompleteMs = minuteMs;
const bucketMs = 10_000;
/**
 * Where data may end that is complete until then, epoch ms. While bad events could become a fail it is asked for anew once there are two
 * buckets more.
 */
const endsAt = (completeMs: number) => {
  const newest = floor(completeMs, bucketMs);
  return [floor(completeMs, calmStepMs), newest, newest - bucketMs];
};
/**
 * By so many events the parts of an endpoint's requests may miss their total: they may have arrived between two queries
 * (docs/verdicts-reference.md, "Counts that do not add up").
 */
const driftEvents = 3;
/** Minutes of traffic after which the nature of every canary is visible. */
const tellingMinutes = 4;

export interface Asked {
  readonly kind: 'cuj' | 'service';
  readonly name: string;
  readonly version: string;
  /** Minutes of a fixed window. */
  readonly windowMinutes?: number;
  /** Epoch ms. */
  readonly sinceMs?: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are judged member by member
type Body = any;
type Say = (text: string) => void;

export interface Knowledge {
  readonly store: EventStore;
  readonly world: World;
  /** The registry that has the owner in the answer. */
  readonly variantOf: (owner: string) => Variant | undefined;
  /** The ends of calls that an answer may be based on and whose newest minute Datadog halved, epoch ms. */
  readonly halvedNear: (startedMs: number, endedMs: number) => readonly number[];
  /** Whether an answer may be based on a call that Datadog answered in buckets of 20 s or a minute. */
  readonly coarseNear: (startedMs: number, endedMs: number) => boolean;
  /** The ends of calls that an answer about this version may be based on and that lost some points of a series, epoch ms. */
  readonly lostNear: (version: string, startedMs: number, endedMs: number) => readonly number[];
  /** Other times at which the data of a call of an answer may have ended than the expected one, epoch ms. */
  readonly endsNear: (startedMs: number, endedMs: number) => readonly number[];
  /** The same of its call about the past, if that was kept. */
  readonly pastEndsNear: (startedMs: number, endedMs: number) => readonly number[];
}

/** Reasons of verdicts without a measurement. */
export const blind = /^(source_\w+|clock_skew|gate_overloaded)$/;

interface Context {
  readonly asked: Asked;
  /** The answer reports stale data, or cannot report it: a service's answer does not do so for each CUJ. */
  readonly isOld: boolean;
}

/** What an answer may be about, epoch ms. */
interface Window {
  readonly fromMs: number;
  readonly toMs: number;
  /** The end of its two calls. */
  readonly callMs: number;
  readonly pastMs: number;
}

/** What the endpoint of a journey covers. */
interface Endpoint {
  readonly service: string;
  readonly resource: string;
  readonly routes: readonly Route[];
}

export class Oracle {
  readonly #known: Knowledge;
  readonly #truth: Truth;
  readonly #digests = new Map<string, string>();

  constructor(known: Knowledge) {
    this.#known = known;
    this.#truth = new Truth(known.store);
  }

  /** The mistakes of an answer of status 200; empty where it can be true. */
  judge(asked: Asked, body: Body): string[] {
    const wrong: string[] = [];
    const say = (text: string) => wrong.push(text);
    if (!['pass', 'fail', 'inconclusive'].includes(body.verdict)) return [`verdict is ${body.verdict}`];
    if (body.ok !== (body.verdict === 'pass')) say(`ok is ${body.ok} beside ${body.verdict}`);
    if (typeof body.summary !== 'string' || !body.summary.startsWith(body.verdict.toUpperCase()))
      say(`the summary of a ${body.verdict} is ${body.summary}`);
    if (body[asked.kind] !== asked.name) say(`${asked.kind} is ${body[asked.kind]}, not ${asked.name}`);
    const parts: Body[] = asked.kind === 'cuj' ? [body] : body.cujs;
    if (!Array.isArray(parts) || parts.length === 0)
      return blind.test(body.reason) && body.verdict === 'inconclusive' ? wrong : [...wrong, 'no cujs'];
    const owners = new Set(parts.map((part) => part.owner));
    if (owners.size > 1) say(`made of two registries: ${[...owners].join()}`);
    const variant = this.#known.variantOf(parts[0].owner);
    if (variant === undefined) return [...wrong, `owner ${parts[0].owner} signed no registry`];
    const digest = this.#digests.get(variant.owner) ?? body.registry;
    this.#digests.set(variant.owner, digest);
    if (typeof digest !== 'string' || digest !== body.registry)
      say(`${variant.owner} has the digests ${digest} and ${body.registry}`);
    for (const part of parts) this.#judgeCuj(asked, part, variant, say);
    if (asked.kind === 'service') judgeService(asked, body, parts, variant, say);
    return wrong;
  }

  #judgeCuj(asked: Asked, part: Body, variant: Variant, say: Say): void {
    const { version } = asked;
    const about = `${part.cuj} of ${version}: ${part.verdict} ${part.reason}`;
    const journey = journeys[part.cuj];
    if (journey === undefined) {
      say(`${about}: no such CUJ`);
      return;
    }
    const observed = part.mode === 'observe';
    if (observed !== (journey.observed === true)) say(`${about} in mode ${part.mode}`);
    if (observed && part.verdict !== 'pass') say(`${about} although it only observes`);
    if (part.reason === 'observe_only') {
      if (!observed) say(about);
      if (part.wouldBe?.verdict === 'pass') say(`${about} in the place of a pass`);
      // A service's answer has no wouldBe.
      if (asked.kind === 'cuj') this.#judgeOutcome(asked, part, part.wouldBe ?? {}, variant, say);
      return;
    }
    this.#judgeOutcome(asked, part, part, variant, say);
  }

  #judgeOutcome(
    asked: Asked,
    part: Body,
    outcome: { readonly verdict?: string; readonly reason?: string },
    variant: Variant,
    say: Say,
  ): void {
    const label = `${outcome.verdict} ${outcome.reason}`;
    const about = `${part.cuj} of ${asked.version}: ${label}`;
    if (blind.test(outcome.reason ?? '')) {
      if (outcome.verdict !== 'inconclusive') say(about);
      return;
    }
    const journey = journeys[part.cuj] as Journey;
    if (!this.#mayBe(asked, journey, label)) say(about);
    this.#checkCounts(asked, part, journey, variant, about, say);
  }

  /** Whether this outcome can be right for the traffic of this version. */
  #mayBe(asked: Asked, journey: Journey, label: string): boolean {
    const nature =
      asked.version === unknownVersion
        ? 'unknown'
        : (versions.find(({ name }) => name === asked.version) as Version).nature;
    const telling = this.#windows(asked).every(
      ({ fromMs, toMs }) => toMs - fromMs >= tellingMinutes * minuteMs,
    );
    const compared = journey.rule === 'baseline';
    const passes = compared ? 'pass not_worse_than_stable' : 'pass within_slo';
    const fails = compared ? 'fail worse_than_stable' : 'fail slo_violated';
    switch (nature) {
      case 'good':
        return telling ? label === passes : !label.startsWith('fail');
      case 'broken':
        return telling ? label === fails : !label.startsWith('pass');
      case 'slow':
        if (journey.latencyMs !== undefined) return telling ? label === fails : !label.startsWith('pass');
        return telling ? label === passes : !label.startsWith('fail');
      case 'unknown':
        return label === 'inconclusive no_data';
      case 'small':
        if (journey.rule !== undefined && label === passes) return true;
        return label === 'inconclusive no_data' || label === 'inconclusive insufficient_traffic';
      case 'unlucky':
        return journey.rule === 'strict' || !label.startsWith('fail');
      case 'stable':
        return false;
    }
  }

  #checkCounts(asked: Asked, part: Body, journey: Journey, variant: Variant, about: string, say: Say): void {
    const failed = about.includes(': fail ');
    const context = { asked, isOld: failed && (part.staleData !== undefined || asked.kind === 'service') };
    let windows = this.#windows(asked);
    if (part.window !== undefined) {
      const [fromMs, toMs] = span(part.window);
      windows = windows.filter(
        (may) => may.toMs === toMs && (may.fromMs === fromMs || asked.version === unknownVersion),
      );
      if (windows.length === 0) {
        say(`${about}: the window ${part.window.from} to ${part.window.to} is not what was asked for`);
        return;
      }
    }
    const endpoints = endpointsOf(journey, asked.kind === 'service' ? asked.name : undefined);
    const own = endpoints.flatMap((endpoint) => endpoint.routes);
    const slis = part.slis.map(({ sli }: Body) => sli).sort();
    const expected = journey.latencyMs === undefined ? ['availability'] : ['availability', 'latency'];
    if (slis.join() !== expected.join()) say(`${about}: has the SLIs ${slis.join()}`);
    for (const sli of part.slis) {
      const objective = sli.sli === 'latency' ? 0.99 : variant.availability;
      if (Math.abs(sli.objective - objective) > 1e-9)
        say(`${about}: objective ${sli.objective}, not ${objective}`);
      const bad = sli.sli === 'latency' ? 'slow' : 'bad';
      const side = { version: asked.version };
      const fits = windows.some(
        (window) =>
          this.#fits(context, sli.total, own, side, 'total', window) &&
          this.#fits(context, sli.bad, own, side, bad, window),
      );
      if (!fits)
        say(
          `${about}: counts ${sli.bad} of ${sli.total} bad (${sli.sli})${spanText(part)}, which the store contradicts`,
        );
      const rate = sli.total > 0 ? sli.bad / sli.total : undefined;
      const beyond = rate !== undefined && rate > 1 - objective + 1e-12;
      if (sli.verdict === 'pass' && (rate === undefined || (beyond && journey.rule !== 'baseline')))
        say(`${about}: passes with ${sli.bad} of ${sli.total}`);
      if (sli.verdict === 'fail' && !beyond) say(`${about}: fails with ${sli.bad} of ${sli.total}`);
      if (asked.kind === 'service') continue;
      const shown = sli.endpoints.map(({ service, resource }: Body) => `${service} ${resource}`).sort();
      const all = endpoints.map(({ service, resource }) => `${service} ${resource}`).sort();
      if (shown.join() !== all.join()) say(`${about}: has the endpoints ${shown.join()}`);
      for (const endpoint of endpoints) this.#checkEndpoint(context, part, sli, endpoint, windows, say);
    }
  }

  #checkEndpoint(
    context: Context,
    part: Body,
    sli: Body,
    { service, resource, routes: own }: Endpoint,
    windows: readonly Window[],
    say: Say,
  ): void {
    const shown = sli.endpoints.find((one: Body) => one.service === service && one.resource === resource);
    if (shown === undefined) return;
    const { version } = context.asked;
    const others = { version, others: true } as const;
    const bad = sli.sli === 'latency' ? 'slow' : 'bad';
    const fits = windows.some((window) => {
      const all = { ...window, fromMs: floor(window.toMs) - maxWindowMs };
      return (
        this.#fits(context, shown.total, own, { version }, 'total', window) &&
        this.#fits(context, shown.bad, own, { version }, bad, window) &&
        this.#fits(context, shown.stable.total, own, others, 'total', all) &&
        this.#fits(context, shown.stable.bad, own, others, bad, all)
      );
    });
    if (!fits)
      say(
        `${part.cuj} of ${version}, ${sli.sli} of ${resource}: ${shown.bad} of ${shown.total} (stable ${shown.stable.bad} of ${shown.stable.total})${spanText(part)}, which the store contradicts`,
      );
  }

  /**
   * Whether the store has so many, or would have if for some of the services the newest minute of a call were halved, its past
   * had a hole at the end, or, where the answer says that it is old, its newest data were missing; or several of them. Points
   * with so few bad events that the gate cannot tell them from requests that have just arrived may be missing as well.
   */
  #fits(
    { asked, isOld }: Context,
    shown: number,
    own: readonly Route[],
    side: Side,
    what: keyof Counted,
    { fromMs, toMs, callMs, pastMs }: Window,
  ): boolean {
    const { startedMs, endedMs } = asked;
    const isOfAnswer = (endMs: number) => endMs === callMs || endMs === pastMs;
    const halved = this.#known.halvedNear(startedMs, endedMs).filter(isOfAnswer);
    const losing = this.#known.lostNear(asked.version, startedMs, endedMs).some(isOfAnswer);
    const lost = what !== 'total' && losing ? driftEvents : 0;
    const near = this.#known.endsNear(startedMs, endedMs);
    // Without any of its newest data, what is known of the past is the end.
    const ends = [toMs, ...(isOld ? near.map((end) => Math.max(end, pastMs)) : [])];
    const holes = [pastMs, ...this.#holes(asked, pastMs)];
    const ranges = [...new Set(own.map(({ service }) => service))].map((service) => {
      const some = own.filter((route) => route.service === service);
      const count = (from: number, to: number) =>
        from >= to ? 0 : some.reduce((sum, route) => sum + this.#truth.count(route, side, from, to)[what], 0);
      // Each series is rounded down separately, in each of the six buckets of the minute, and good events may be the result of a
      // subtraction.
      const spare = 2 * 6 * some.length;
      return unique(ends.filter((end) => end <= toMs)).flatMap((end) =>
        unique(holes).flatMap((hole) => {
          const whole = count(fromMs, Math.min(hole, end)) + count(Math.max(fromMs, pastMs), end);
          const halves: number[] = [0];
          if (halved.includes(pastMs) && hole > fromMs)
            halves.push(count(Math.max(fromMs, floor(hole - 1)), hole) / 2);
          if (halved.includes(callMs) && end > pastMs)
            for (const half of [...halves])
              halves.push(
                half + count(Math.max(fromMs, pastMs, end - minuteMs), end) / 2,
                half + count(Math.max(fromMs, pastMs, callMs - minuteMs), end) / 2,
              );
          return halves.map((half): Range => {
            const exact = half === 0 ? 1e-3 : spare;
            return [whole - half - lost * some.length - exact, whole - half + exact];
          });
        }),
      );
    });
    return anySum(ranges).some(([low, high]) => low <= shown && shown <= high);
  }

  /** Where the data of the past may have ended before the past did, epoch ms: then it goes on behind a hole. */
  #holes({ startedMs, endedMs }: Asked, pastMs: number): number[] {
    const kept = this.#known.pastEndsNear(startedMs, endedMs).filter((end) => pastMs - end < restartGapMs);
    return [...this.#known.endsNear(startedMs, endedMs), ...kept].filter((end) => end < pastMs);
  }

  /** The possible windows of a request. Its data may have come to a new end before the answer. */
  #windows(asked: Asked): Window[] {
    const { startedMs, endedMs, version } = asked;
    const callEnds = unique([startedMs, endedMs].flatMap((ms) => endsAt(ms - lagMs)));
    // Counts of one side can only be missing where Datadog loses some.
    const isDamaged =
      this.#known.lostNear(version, startedMs, endedMs).length > 0 ||
      this.#known.halvedNear(startedMs, endedMs).length > 0;
    const mostMs = isDamaged ? maxIncompleteMs : 0;
    return callEnds.flatMap((callMs) => {
      const pastMs = floor(callMs - minRecentMs, pastStepMs);
      const ends = [callMs];
      for (let leftOutMs = bucketMs; leftOutMs <= mostMs; leftOutMs += bucketMs)
        ends.push(callMs - leftOutMs);
      if (this.#known.coarseNear(startedMs, endedMs)) ends.push(floor(callMs, 20_000), floor(callMs));
      return unique(ends).flatMap((toMs) =>
        this.#begins(asked, toMs, pastMs).map((fromMs) => ({ fromMs, toMs, callMs, pastMs })),
      );
    });
  }

  /** The first minute from then on in which the canary has a request: the small one has none in most. `fromMs` where there is none. */
  #firstTraffic({ version }: Asked, fromMs: number, toMs: number): number {
    for (let minute = fromMs; minute < toMs; minute += minuteMs)
      if (routes.some((route) => this.#truth.count(route, { version }, minute, minute + minuteMs).total > 0))
        return minute;
    return fromMs;
  }

  /** Where a window that ends then may begin. */
  #begins(asked: Asked, toMs: number, pastMs: number): number[] {
    const oldest = floor(toMs) - maxWindowMs;
    if (asked.sinceMs !== undefined) {
      const since = Math.ceil(asked.sinceMs / minuteMs) * minuteMs;
      return [Math.min(toMs, Math.max(since, oldest))];
    }
    if (asked.windowMinutes !== undefined) return [floor(toMs) - asked.windowMinutes * minuteMs];
    const began = Math.max(this.#known.world.canaryBeganMs, oldest);
    // A hole looks as if the canary had been silent, or had not been there before.
    const isReset = this.#holes(asked, pastMs).some((end) => pastMs - end >= restartGapMs - minuteMs);
    return isReset ? [began, this.#firstTraffic(asked, pastMs, toMs)] : [began];
  }
}

type Range = readonly [low: number, high: number];

/** The sums of all combinations of one range of each list. */
function anySum(lists: readonly (readonly Range[])[]): Range[] {
  return lists.reduce<Range[]>(
    (sums, ranges) => sums.flatMap(([a, b]) => ranges.map(([low, high]): Range => [a + low, b + high])),
    [[0, 0]],
  );
}

function judgeService(asked: Asked, body: Body, parts: readonly Body[], variant: Variant, say: Say): void {
  const enforced = parts.filter(({ mode }) => mode === 'enforce').map(({ verdict }) => verdict);
  const worst = enforced.includes('fail')
    ? 'fail'
    : enforced.includes('inconclusive')
      ? 'inconclusive'
      : 'pass';
  if (body.verdict !== worst) say(`${body.verdict} where the worst CUJ is ${worst}`);
  const shown = parts.map(({ cuj }) => cuj).sort();
  const own = variant.cujs
    .filter((name) => endpointsOf(journeys[name] as Journey, asked.name).length > 0)
    .sort();
  if (shown.join() !== own.join()) say(`${asked.name} has the CUJs ${shown.join()}, not ${own.join()}`);
}

/** The endpoints of a journey, or those on one service. */
function endpointsOf(journey: Journey, service: string | undefined): Endpoint[] {
  const own = routes.filter(
    (one) => journey.routes.includes(one.route) && (service === undefined || one.service === service),
  );
  if (!journey.whole) return own.map((one) => ({ ...one, routes: [one] }));
  return own.length === 0 ? [] : [{ service: (own[0] as Route).service, resource: '*', routes: own }];
}

function span(window: { from: string; to: string }): [number, number] {
  return [Date.parse(window.from), Date.parse(window.to)];
}

function spanText({ window }: Body): string {
  return window === undefined
    ? ''
    : ` from ${window.from} to ${window.to}, ${window.incompleteSeconds ?? 0} s left out`;
}

const floor = (ms: number, stepMs = minuteMs): number => Math.floor(ms / stepMs) * stepMs;

function unique(values: readonly number[]): number[] {
  return [...new Set(values)];
}
