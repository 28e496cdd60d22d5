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
const lagMs = 90_000;
const maxWindowMs = 120 * minuteMs;
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
  /** Whether an answer may be based on a newest minute that Datadog halved. */
  readonly halvedNear: (startedMs: number, endedMs: number) => boolean;
  /** Whether an answer about this version may have been made while Datadog lost some points of a series. */
  readonly lostNear: (version: string, startedMs: number, endedMs: number) => boolean;
  /** Other times at which the data of an answer may have ended than the expected one, epoch ms. */
  readonly endsNear: (startedMs: number, endedMs: number) => readonly number[];
}

/** Reasons of verdicts without a measurement. */
export const blind = /^(source_\w+|clock_skew|gate_overloaded)$/;

interface Context {
  readonly asked: Asked;
  /** The answer reports stale data, or cannot report it: a service's answer does not do so for each CUJ. */
  readonly isOld: boolean;
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
    const telling = this.#windows(asked).every(([from, to]) => to - from >= tellingMinutes * minuteMs);
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
    const windows = part.window === undefined ? this.#windows(asked) : [span(part.window)];
    if (part.window !== undefined) {
      const [shown] = windows as [[number, number]];
      const may = this.#windows(asked);
      if (asked.version !== unknownVersion && !may.some(([from, to]) => from === shown[0] && to === shown[1]))
        say(`${about}: the window ${part.window.from} to ${part.window.to} is not what was asked for`);
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
      const fits = windows.some(
        ([from, to]) =>
          this.#fits(context, sli.total, own, { version: asked.version }, 'total', from, to) &&
          this.#fits(context, sli.bad, own, { version: asked.version }, bad, from, to),
      );
      if (!fits)
        say(`${about}: counts ${sli.bad} of ${sli.total} bad (${sli.sli}), which the store contradicts`);
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
    windows: readonly (readonly [number, number])[],
    say: Say,
  ): void {
    const shown = sli.endpoints.find((one: Body) => one.service === service && one.resource === resource);
    if (shown === undefined) return;
    const { version } = context.asked;
    const others = { version, others: true } as const;
    const bad = sli.sli === 'latency' ? 'slow' : 'bad';
    const fits = windows.some(
      ([from, to]) =>
        this.#fits(context, shown.total, own, { version }, 'total', from, to) &&
        this.#fits(context, shown.bad, own, { version }, bad, from, to) &&
        this.#fits(context, shown.stable.total, own, others, 'total', to - maxWindowMs, to) &&
        this.#fits(context, shown.stable.bad, own, others, bad, to - maxWindowMs, to),
    );
    if (!fits)
      say(
        `${part.cuj} of ${version}, ${sli.sli} of ${resource}: ${shown.bad} of ${shown.total} (stable ${shown.stable.bad} of ${shown.stable.total}), which the store contradicts`,
      );
  }

  /**
   * Whether the store has so many, or would have if for some of the services its newest minute were halved or, where
   * the answer says that it is old, its newest data missing, or both. Points with so few bad events that the gate cannot
   * tell them from requests that have just arrived may be missing as well.
   */
  #fits(
    { asked, isOld }: Context,
    shown: number,
    own: readonly Route[],
    side: Side,
    what: keyof Counted,
    fromMs: number,
    toMs: number,
  ): boolean {
    const { startedMs, endedMs } = asked;
    const halved = this.#known.halvedNear(startedMs, endedMs);
    const lost =
      what !== 'total' && this.#known.lostNear(asked.version, startedMs, endedMs) ? driftEvents : 0;
    const ends = isOld ? this.#known.endsNear(startedMs, endedMs) : [];
    const ranges = [...new Set(own.map(({ service }) => service))].map((service) => {
      const some = own.filter((route) => route.service === service);
      const count = (from: number, to: number) =>
        some.reduce((sum, route) => sum + this.#truth.count(route, side, from, to)[what], 0);
      // Each series is rounded down separately, and good events may be the result of a subtraction.
      const spare = 2 * some.length;
      return [toMs, ...ends.filter((end) => end < toMs)].flatMap((end) => {
        const untilMs = Math.max(fromMs, end);
        const whole = count(fromMs, untilMs);
        const newest = count(Math.max(fromMs, floor(untilMs - 1)), untilMs);
        const half = whole - newest / 2;
        return [
          [whole - lost * some.length - 1e-3, whole + 1e-3] as const,
          ...(halved ? [[half - spare, half + spare] as const] : []),
        ];
      });
    });
    return anySum(ranges).some(([low, high]) => low <= shown && shown <= high);
  }

  /** The possible windows of a request: the clock may have passed a whole minute before the answer. */
  #windows(asked: Asked): [number, number][] {
    const ends = [asked.startedMs, asked.endedMs].map((ms) => floor(ms - lagMs));
    return [...new Set(ends)].map((to) => {
      if (asked.sinceMs !== undefined) {
        const since = Math.ceil(asked.sinceMs / minuteMs) * minuteMs;
        return [Math.min(to, Math.max(since, to - maxWindowMs)), to];
      }
      if (asked.windowMinutes !== undefined) return [to - asked.windowMinutes * minuteMs, to];
      return [Math.max(this.#known.world.canaryBeganMs, to - maxWindowMs), to];
    });
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

const floor = (ms: number): number => Math.floor(ms / minuteMs) * minuteMs;
