import { hash32 } from '../datadog/normalise.ts';
import { Points, SLOT_MS } from '../datadog/points.ts';
import type { RequestIdentity, RequestSink, RequestStream } from '../datadog/store.ts';
import {
  gatewayName,
  graphqlLabels,
  graphqlRequestsMetric,
  httpLabels,
  httpRequestsMetric,
  istioLabels,
  istioRequestsMetric,
  type Labels,
} from './pod-labels.ts';
import { type ProcessLife, type ShareAt, valuesAt } from './process-counter.ts';

/**
 * Simulated traffic as pods count it. Each version of a service has pods, which export OpenTelemetry's counter of HTTP requests by
 * route, and Istio's by their own proxy. The callers are pods of a gateway, whose proxies export Istio's counter as well. Calls of gRPC
 * are in Istio's counter alone. Requests without any status are of GraphQL: a counter of the application's own tells their errors.
 */

/** A process that is scraped, with the labels of its target. */
export interface ScrapedPod extends ProcessLife {
  readonly name: string;
  readonly labels: Readonly<Record<'job' | 'instance' | 'pod', string>>;
  /** Whether scrapes reach it. */
  readonly isReachable: boolean;
}

/** One series of a pod, without the labels of its target. */
export interface PodSeries {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  /** At the times that were asked for; 0: the counter is not there yet. */
  readonly values: readonly number[];
}

/** The series of a pod that count the requests of an identity. */
export type ExportedSeries = (identity: RequestIdentity) => readonly Omit<PodSeries, 'values'>[];

export interface PodsOptions {
  /** What pods export in place of OpenTelemetry's and Istio's counters. There are no callers then. */
  readonly exports?: ExportedSeries;
  /** Pods of each version of a service; 2 when left out. */
  readonly podsEach?: number;
  /** The name of the gateway that calls a group of pods; one for all when left out. */
  readonly gatewayOf?: (group: string) => string;
  /**
   * Istio's counter has the label `request_operation` with method and route, as where requests are classified (istio.io,
   * "Classifying Metrics Based on Request or Response").
   */
  readonly isClassified?: boolean;
}

interface Pod extends ScrapedPod {
  bornMs: number;
  diedMs: number;
  readonly restartsMs: number[];
  isReachable: boolean;
}

interface Counter {
  readonly identity: RequestIdentity;
  /** Only of requests without a status. */
  readonly isError: boolean;
  readonly points: Points;
}

/** Pods that serve the same requests. */
interface Group {
  readonly pods: readonly Pod[];
  readonly gateway: Gateway;
  readonly counters: Map<string, Counter>;
}

interface Gateway {
  readonly pods: readonly Pod[];
  readonly groups: Group[];
}

export class ScrapedPods implements RequestSink {
  readonly #podsEach: number;
  readonly #gatewayOf: (group: string) => string;
  readonly #isClassified: boolean;
  readonly #exports: ExportedSeries | undefined;
  readonly #groups = new Map<string, Group>();
  readonly #gateways = new Map<string, Gateway>();

  constructor({
    podsEach = 2,
    gatewayOf = () => gatewayName,
    isClassified = false,
    exports,
  }: PodsOptions = {}) {
    this.#podsEach = podsEach;
    this.#gatewayOf = gatewayOf;
    this.#isClassified = isClassified;
    this.#exports = exports;
  }

  get pods(): readonly ScrapedPod[] {
    return this.#all.filter(({ bornMs }) => Number.isFinite(bornMs));
  }

  get #all(): Pod[] {
    const servers = [...this.#groups.values()].flatMap(({ pods }) => pods);
    return [...servers, ...[...this.#gateways.values()].flatMap(({ pods }) => pods)];
  }

  /** `host` is the name of the pods that serve them; without it, each version of a service has pods of its own. */
  requests(identity: RequestIdentity): RequestStream {
    const { service, version, resource, statusCode, grpcCode, spanTags } = identity;
    const { host = `${service}-${version}` } = identity;
    const group = this.#groups.get(host) ?? this.#openGroup(host, service);
    const hasStatus = statusCode !== undefined || grpcCode !== undefined;
    const counterOf = (isError: boolean) => {
      const key = JSON.stringify([service, version, resource, statusCode, grpcCode, spanTags, isError]);
      const counter = group.counters.get(key) ?? { identity, isError, points: new Points('count') };
      group.counters.set(key, counter);
      return counter;
    };
    const good = counterOf(false);
    const count = (counter: Counter, endedMs: number, requests: number) => {
      if (requests <= 0) return;
      const slot = Math.floor(endedMs / SLOT_MS);
      counter.points.add(slot, requests);
      for (const pod of [...group.pods, ...group.gateway.pods])
        pod.bornMs = Math.min(pod.bornMs, slot * SLOT_MS);
    };
    return {
      record: (batch) => {
        const { count: requests = 1, errors = 0, durations = [[0.05, requests] as const] } = batch;
        let left = hasStatus ? 0 : errors;
        const ended =
          'at' in batch
            ? ([[batch.at, requests]] as const)
            : durations.map(([seconds, some]) => [batch.startedAt + seconds * 1000, some] as const);
        for (const [endedMs, some] of ended) {
          const failed = Math.min(left, some);
          left -= failed;
          count(good, endedMs, some - failed);
          if (failed > 0) count(counterOf(true), endedMs, failed);
        }
      },
    };
  }

  /** The pod of this name, or the pods of a group or of its version, are gone from a time on. */
  remove(name: string, atMs: number): void {
    for (const pod of this.#named(name)) pod.diedMs = Math.min(pod.diedMs, atMs);
  }

  /** The processes of the pods restart. */
  restart(name: string, atMs: number): void {
    for (const pod of this.#named(name)) pod.restartsMs.push(atMs);
  }

  /** Whether scrapes reach the pods. */
  setReachable(names: readonly string[], isReachable: boolean): void {
    for (const pod of names.flatMap((name) => this.#named(name))) pod.isReachable = isReachable;
  }

  /** All series of a pod at ascending times. */
  seriesOf({ name }: ScrapedPod, timesMs: readonly number[]): PodSeries[] {
    for (const group of this.#groups.values()) {
      const pod = group.pods.find((one) => one.name === name);
      if (pod !== undefined) return this.#serverSeries(group, pod, timesMs);
    }
    for (const gateway of this.#gateways.values()) {
      const pod = gateway.pods.find((one) => one.name === name);
      if (pod !== undefined) return this.#gatewaySeries(gateway, pod, timesMs);
    }
    throw new Error(`there is no pod ${name}`);
  }

  #openGroup(host: string, service: string): Group {
    const gatewayOf = this.#gatewayOf(host);
    const gateway = this.#gateways.get(gatewayOf) ?? {
      pods: this.#exports === undefined ? this.#open(gatewayOf, gatewayName, 15_020) : [],
      groups: [],
    };
    this.#gateways.set(gatewayOf, gateway);
    const group: Group = { pods: this.#open(host, service, 8_080), gateway, counters: new Map() };
    gateway.groups.push(group);
    this.#groups.set(host, group);
    return group;
  }

  #open(prefix: string, job: string, port: number): Pod[] {
    return Array.from({ length: this.#podsEach }, (_, i) => {
      const name = `${prefix}-${i}`;
      return {
        name,
        labels: { job, instance: `${name}:${port}`, pod: name },
        bornMs: Number.POSITIVE_INFINITY,
        diedMs: Number.POSITIVE_INFINITY,
        restartsMs: [],
        isReachable: true,
      };
    });
  }

  #serverSeries({ pods, counters }: Group, pod: Pod, timesMs: readonly number[]): PodSeries[] {
    const counted = countedBy(pods, pod, [...counters.values()], timesMs);
    if (this.#exports !== undefined) return summed(counted, this.#exports);
    return [...counted.flatMap(applicationSeries), ...this.#istioSeries(counted, 'destination')];
  }

  #gatewaySeries({ pods, groups }: Gateway, pod: Pod, timesMs: readonly number[]): PodSeries[] {
    const counters = groups.flatMap((group) => [...group.counters.values()]);
    return this.#istioSeries(countedBy(pods, pod, counters, timesMs), 'source');
  }

  #istioSeries(counted: readonly Counted[], reporter: 'source' | 'destination'): PodSeries[] {
    return summed(counted, (identity) => {
      const labels = {
        ...istioLabels(identity, reporter),
        ...(this.#isClassified ? { request_operation: identity.resource } : {}),
      };
      return [{ metric: istioRequestsMetric, labels }];
    });
  }

  #named(prefix: string): Pod[] {
    const found = this.#all.filter(({ name }) => name === prefix || name.startsWith(`${prefix}-`));
    if (found.length === 0) throw new Error(`there is no pod ${prefix}`);
    return found;
  }
}

/** The requests of one identity that a pod has served, at some times. */
interface Counted {
  readonly identity: RequestIdentity;
  readonly isError: boolean;
  readonly values: readonly number[];
}

function applicationSeries({ identity, isError, values }: Counted): PodSeries[] {
  if (identity.grpcCode !== undefined) return [];
  return identity.statusCode === undefined
    ? [{ metric: graphqlRequestsMetric, labels: graphqlLabels(identity, isError), values }]
    : [{ metric: httpRequestsMetric, labels: httpLabels(identity), values }];
}

/** Identities that are counted by the same series are one. */
function summed(counted: readonly Counted[], exports: ExportedSeries): PodSeries[] {
  const sums = new Map<string, { metric: string; labels: Labels; values: number[] }>();
  for (const { identity, values } of counted) {
    for (const { metric, labels } of exports(identity)) {
      const key = JSON.stringify([metric, labels]);
      const sum = sums.get(key) ?? { metric, labels, values: values.map(() => 0) };
      sums.set(key, sum);
      values.forEach((value, i) => {
        sum.values[i] = (sum.values[i] as number) + value;
      });
    }
  }
  return [...sums.values()];
}

function countedBy(
  pods: readonly Pod[],
  pod: Pod,
  counters: readonly Counter[],
  timesMs: readonly number[],
): Counted[] {
  const share = shareOf(pods, pod);
  return counters.map(({ identity, isError, points }) => ({
    identity,
    isError,
    values: valuesAt(points, share, pod, timesMs, phaseOf(pod, identity)),
  }));
}

/** The pods of a group that are alive share its requests evenly. */
function shareOf(pods: readonly Pod[], pod: Pod): ShareAt {
  const isAlive = ({ bornMs, diedMs }: Pod, slot: number) =>
    (slot + 1) * SLOT_MS > bornMs && slot * SLOT_MS < diedMs;
  const isAlways = pods.every(({ diedMs }) => diedMs === Number.POSITIVE_INFINITY);
  const always = { rank: pods.indexOf(pod), of: pods.length };
  return (slot) => {
    if (isAlways) return always;
    const alive = pods.filter((one) => isAlive(one, slot));
    const rank = alive.indexOf(pod);
    return rank < 0 ? undefined : { rank, of: alive.length };
  };
}

/** From 0 to 1, the same every time. */
function phaseOf({ name }: Pod, { resource, statusCode, version }: RequestIdentity): number {
  return hash32(`${name} ${resource} ${statusCode} ${version}`) / 4_294_967_296;
}
