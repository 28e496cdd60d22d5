import { type Asked, type Counted, type Evidence, floor, type Side, type Window } from './evidence.ts';
import type { Variant } from './registries.ts';
import {
  type Journey,
  journeys,
  type Route,
  routes,
  unknownVersion,
  type Version,
  versions,
} from './world.ts';

/**
 * Checks whether an answer can be true. Counts are those of the traffic itself, as far as a backend can show them (evidence.ts). It
 * shares no code with the gate: no queries, no windows, no rules.
 */

// biome-ignore lint/suspicious/noExplicitAny: answers are judged member by member
type Body = any;
type Say = (text: string) => void;

export interface Knowledge {
  readonly evidence: Evidence;
  /** The registry that has the owner in the answer. */
  readonly variantOf: (owner: string) => Variant | undefined;
  /** The name of a route in answers. */
  readonly endpointOf: (route: Route) => string;
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
  readonly #digests = new Map<string, string>();

  constructor(known: Knowledge) {
    this.#known = known;
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
    const { evidence } = this.#known;
    const telling = evidence
      .windows(asked)
      .every((window) => window.toMs - window.fromMs >= evidence.tellingMs(window));
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
    let windows = this.#known.evidence.windows(asked);
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
    const unseen = windows.map((window) =>
      this.#known.evidence.unseen(
        asked.version,
        routesOf(journey, asked.kind === 'service' ? asked.name : undefined),
        window,
      ),
    );
    if (unseen.every((why) => why !== undefined)) say(`${about}${spanText(part)}: although ${unseen[0]}`);
    const endpoints = this.#endpointsOf(journey, asked.kind === 'service' ? asked.name : undefined);
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
          this.#mayShow(context, sli.total, own, side, 'total', window) &&
          this.#mayShow(context, sli.bad, own, side, bad, window),
      );
      if (!fits)
        say(
          `${about}: counts ${sli.bad} of ${sli.total} bad (${sli.sli})${spanText(part)}, which the traffic contradicts`,
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
      const all = { ...window, fromMs: floor(window.toMs) - this.#known.evidence.maxWindowMs };
      return (
        this.#mayShow(context, shown.total, own, { version }, 'total', window) &&
        this.#mayShow(context, shown.bad, own, { version }, bad, window) &&
        this.#mayShow(context, shown.stable.total, own, others, 'total', all) &&
        this.#mayShow(context, shown.stable.bad, own, others, bad, all)
      );
    });
    if (!fits)
      say(
        `${part.cuj} of ${version}, ${sli.sli} of ${resource}: ${shown.bad} of ${shown.total} (stable ${shown.stable.bad} of ${shown.stable.total})${spanText(part)}, which the traffic contradicts`,
      );
  }

  #mayShow(
    context: Context,
    shown: number,
    own: readonly Route[],
    side: Side,
    what: keyof Counted,
    window: Window,
  ): boolean {
    return this.#known.evidence.mayShow(shown, { ...context, routes: own, side, what, window });
  }

  /** The endpoints of a journey, or those on one service. */
  #endpointsOf(journey: Journey, service: string | undefined): Endpoint[] {
    const own = routesOf(journey, service);
    if (!journey.whole)
      return own.map((one) => ({
        service: one.service,
        resource: this.#known.endpointOf(one),
        routes: [one],
      }));
    return own.length === 0 ? [] : [{ service: (own[0] as Route).service, resource: '*', routes: own }];
  }
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
    .filter((name) => routesOf(journeys[name] as Journey, asked.name).length > 0)
    .sort();
  if (shown.join() !== own.join()) say(`${asked.name} has the CUJs ${shown.join()}, not ${own.join()}`);
}

/** The routes of a journey, or those on one service. */
function routesOf(journey: Journey, service: string | undefined): Route[] {
  return routes.filter(
    (one) => journey.routes.includes(one.route) && (service === undefined || one.service === service),
  );
}

function span(window: { from: string; to: string }): [number, number] {
  return [Date.parse(window.from), Date.parse(window.to)];
}

function spanText({ window }: Body): string {
  return window === undefined
    ? ''
    : ` from ${window.from} to ${window.to}, ${window.incompleteSeconds ?? 0} s left out`;
}
