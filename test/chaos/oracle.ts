import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import type { EventStore } from '../../src/demo/datadog/store.ts';
import type { Variant } from './registries.ts';
import { cujRoutes, type Route, routes, unknownVersion, versions, type World } from './world.ts';

/**
 * Says whether an answer can be true. It counts in the event store itself and shares no code with the gate: neither its
 * queries, nor its windows, nor its rules.
 */

const minuteMs = 60_000;
const lagMs = 90_000;
const maxWindowMs = 120 * minuteMs;

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

export interface Knowledge {
  readonly store: EventStore;
  readonly world: World;
  /** The registry whose owner signed the answer. */
  readonly variantOf: (owner: string) => Variant | undefined;
  /** Whether an answer may have been made while Datadog halved its newest minute. */
  readonly halvedSince: (epochMs: number) => boolean;
}

interface Counted {
  readonly total: number;
  readonly bad: number;
  readonly slow: number;
}

const blind = /^(source_\w+|gate_overloaded)$/;

export class Oracle {
  readonly #known: Knowledge;
  readonly #digests = new Map<string, string>();
  readonly #counts = new Map<string, Counted>();

  constructor(known: Knowledge) {
    this.#known = known;
  }

  /** What is wrong with an answer of status 200; empty where it can be true. */
  judge(asked: Asked, body: Body): string[] {
    const wrong: string[] = [];
    const say = (text: string) => wrong.push(text);
    if (!['pass', 'fail', 'inconclusive'].includes(body.verdict)) return [`verdict is ${body.verdict}`];
    if (body.ok !== (body.verdict === 'pass')) say(`ok is ${body.ok} beside ${body.verdict}`);
    if (typeof body.summary !== 'string' || !body.summary.startsWith(body.verdict.toUpperCase()))
      say(`the summary of a ${body.verdict} is ${body.summary}`);
    const parts: Body[] = asked.kind === 'cuj' ? [body] : body.cujs;
    if (parts === undefined) return blind.test(body.reason) && wrong.length === 0 ? [] : ['no cujs'];
    const owners = new Set(parts.map((part) => part.owner));
    if (owners.size > 1) say(`made of two registries: ${[...owners].join()}`);
    const variant = this.#known.variantOf(parts[0]?.owner);
    if (variant === undefined && parts.length > 0)
      return [...wrong, `owner ${parts[0].owner} signed no registry`];
    if (variant !== undefined && typeof body.registry === 'string') {
      const digest = this.#digests.get(variant.owner) ?? body.registry;
      this.#digests.set(variant.owner, digest);
      if (digest !== body.registry) say(`${variant.owner} has the digests ${digest} and ${body.registry}`);
    }
    for (const part of parts) this.#judgeCuj(asked, part, variant as Variant, say);
    if (asked.kind === 'service') this.#judgeService(body, parts, say);
    return wrong;
  }

  #judgeService(body: Body, parts: Body[], say: (text: string) => void): void {
    const enforced = parts.filter(({ mode }) => mode === 'enforce').map(({ verdict }) => verdict);
    const worst = enforced.includes('fail')
      ? 'fail'
      : enforced.includes('inconclusive')
        ? 'inconclusive'
        : 'pass';
    if (enforced.length > 0 && body.verdict !== worst) say(`${body.verdict} where the worst CUJ is ${worst}`);
  }

  #judgeCuj(asked: Asked, part: Body, variant: Variant, say: (text: string) => void): void {
    const { version } = asked;
    const about = `${part.cuj} of ${version}: ${part.verdict} ${part.reason}`;
    const observed = part.mode === 'observe';
    if (observed !== (part.cuj === 'watched')) say(`${about} in mode ${part.mode}`);
    if (observed) {
      if (part.verdict !== 'pass') say(`${about} although it only observes`);
      return;
    }
    if (blind.test(part.reason)) {
      if (part.verdict !== 'inconclusive') say(about);
      return;
    }
    const nature =
      version === unknownVersion ? 'unknown' : versions.find(({ name }) => name === version)?.nature;
    const usual = asked.sinceMs === undefined;
    const strict = part.cuj === 'profile';
    if (nature === 'good' && usual && part.verdict !== 'pass') say(about);
    if (nature === 'good' && part.verdict === 'fail') say(about);
    if (nature === 'broken' && part.verdict === 'pass') say(about);
    if (nature === 'broken' && usual && part.verdict !== 'fail') say(about);
    if (nature === 'slow' && part.cuj === 'login' && part.verdict === 'pass') say(about);
    if (nature === 'slow' && part.cuj !== 'login' && part.verdict === 'fail') say(about);
    if (nature === 'unknown' && part.verdict !== 'inconclusive') say(about);
    if (nature === 'small' && !strict && part.verdict !== 'inconclusive') say(about);
    if (nature === 'unlucky' && !strict && part.verdict === 'fail') say(about);
    this.#checkCounts(asked, part, variant, about, say);
  }

  #checkCounts(asked: Asked, part: Body, variant: Variant, about: string, say: (text: string) => void): void {
    const windows = part.window === undefined ? this.#windows(asked) : [span(part.window)];
    if (part.window !== undefined) {
      const [shown] = windows as [[number, number]];
      const may = this.#windows(asked);
      if (asked.version !== unknownVersion && !may.some(([from, to]) => from === shown[0] && to === shown[1]))
        say(`${about}: the window ${part.window.from} to ${part.window.to} is not what was asked for`);
    }
    const cujOf = cujRoutes[part.cuj] as readonly string[];
    const own = routes.filter(
      ({ route, service }) => cujOf.includes(route) && (asked.kind === 'cuj' || service === asked.name),
    );
    for (const sli of part.slis) {
      const objective = sli.sli === 'latency' ? 0.99 : variant.availability;
      if (Math.abs(sli.objective - objective) > 1e-9)
        say(`${about}: objective ${sli.objective}, not ${objective}`);
      const pick = (counted: Counted) => (sli.sli === 'latency' ? counted.slow : counted.bad);
      const fits = windows.some(([from, to]) => {
        const sums = own.map((one) => this.#count(one, asked.version, from, to));
        const last = own.map((one) => this.#count(one, asked.version, to - minuteMs, to));
        return (
          this.#fits(
            asked,
            sli.total,
            sum(sums.map(({ total }) => total)),
            sum(last.map(({ total }) => total)),
          ) && this.#fits(asked, sli.bad, sum(sums.map(pick)), sum(last.map(({ total }) => total)))
        );
      });
      if (!fits)
        say(`${about}: counts ${sli.bad} of ${sli.total} bad (${sli.sli}), which the store contradicts`);
      const rate = sli.total > 0 ? sli.bad / sli.total : undefined;
      if (sli.verdict === 'pass' && (rate === undefined || rate > 1 - objective + 1e-12))
        say(`${about}: passes with ${sli.bad} of ${sli.total}`);
      if (sli.verdict === 'fail' && (rate === undefined || rate <= 1 - objective))
        say(`${about}: fails with ${sli.bad} of ${sli.total}`);
      for (const endpoint of sli.endpoints ?? [])
        this.#checkEndpoint(asked, part, sli.sli, endpoint, windows, say);
    }
  }

  #checkEndpoint(
    asked: Asked,
    part: Body,
    sli: string,
    endpoint: Body,
    windows: readonly (readonly [number, number])[],
    say: (text: string) => void,
  ): void {
    const one = routes.find(
      ({ service, resource }) => service === endpoint.service && resource === endpoint.resource,
    );
    if (one === undefined) return void say(`${part.cuj}: nobody knows the endpoint ${endpoint.resource}`);
    const pick = (counted: Counted) => (sli === 'latency' ? counted.slow : counted.bad);
    const fits = windows.some(([from, to]) => {
      const all = this.#count(one, asked.version, from, to);
      const rest = this.#count(one, `not ${asked.version}`, to - maxWindowMs, to);
      const last = this.#count(one, asked.version, to - minuteMs, to).total;
      const lastRest = this.#count(one, `not ${asked.version}`, to - minuteMs, to).total;
      return (
        this.#fits(asked, endpoint.total, all.total, last) &&
        this.#fits(asked, endpoint.bad, pick(all), last) &&
        this.#fits(asked, endpoint.stable.total, rest.total, lastRest) &&
        this.#fits(asked, endpoint.stable.bad, pick(rest), lastRest)
      );
    });
    if (!fits)
      say(
        `${part.cuj} of ${asked.version}, ${sli} of ${one.route}: ${endpoint.bad} of ${endpoint.total} (stable ${endpoint.stable.bad} of ${endpoint.stable.total}), which the store contradicts`,
      );
  }

  #fits(asked: Asked, shown: number, truth: number, newestMinute: number): boolean {
    if (Math.abs(shown - truth) < 1e-3) return true;
    return this.#known.halvedSince(asked.startedMs) && Math.abs(shown - truth) <= newestMinute;
  }

  /** Windows that the question can mean; the clock may have passed a whole minute while it was answered. */
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

  /** `version` may begin with `not `: all others. */
  #count({ service, operation, resource }: Route, version: string, fromMs: number, toMs: number): Counted {
    const key = [service, resource, version, fromMs, toMs].join('|');
    const before = this.#counts.get(key);
    if (before !== undefined) return before;
    const wanted = (tags: ReadonlyMap<string, string>) =>
      tags.get('service') === service &&
      tags.get('env') === 'production' &&
      tags.get('resource_name') === resource &&
      (version.startsWith('not ')
        ? tags.get('version') !== version.slice(4)
        : tags.get('version') === version);
    let total = 0;
    let bad = 0;
    let slow = 0;
    const slots = [fromMs / SLOT_MS, toMs / SLOT_MS] as const;
    for (const { tags, points } of this.#known.store.metric(`trace.${operation}.hits`)?.series ?? []) {
      if (!wanted(tags)) continue;
      const failed = tags.get('http.status_code')?.startsWith('5') === true;
      points.forEach(...slots, (_, amount) => {
        total += amount;
        if (failed) bad += amount;
      });
    }
    for (const { tags, points } of this.#known.store.metric(`trace.${operation}`)?.series ?? []) {
      if (!wanted(tags)) continue;
      points.forEach(...slots, (_, amount, seconds) => {
        if (seconds > 0.3) slow += amount;
      });
    }
    const counted = { total, bad, slow };
    if (this.#counts.size > 20_000) this.#counts.clear();
    this.#counts.set(key, counted);
    return counted;
  }
}

function span(window: { from: string; to: string }): [number, number] {
  return [Date.parse(window.from), Date.parse(window.to)];
}

const floor = (ms: number): number => Math.floor(ms / minuteMs) * minuteMs;
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
