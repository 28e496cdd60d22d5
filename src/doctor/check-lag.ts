import { durationText } from '../domain/duration.ts';
import { listed } from '../domain/name-lists.ts';
import type { Registry } from '../domain/registry/model.ts';
import { lagRangeMs } from '../domain/registry/resolve-defaults.ts';
import type { DoctorFinding } from './finding.ts';
import { type BucketWatch, settleMs, type WatchedBucket } from './watch-buckets.ts';

/** Recommendations are multiples of this. */
const stepMs = 5_000;
/** A `lag` this much above the recommendation is reported. Scrapes are regular, and the flushes of agents are not. */
const spareMs = { buckets: 30_000, samples: 20_000 } as const;
/** The share of buckets that may be later than `lag`. */
const lateShare = 0.01;
/** With fewer buckets, the slowest ones say nothing about what is usual. */
const minBuckets = 12;
/** With fewer requests a bucket (median), some hosts have none to send: a bucket seems complete too early. */
const minRequestsPerBucket = 10;

/** What was seen of one value of the tag. Times are after the end of a bucket, in seconds. */
export interface WatchedSide {
  /** `version:v1.42.0`, or the service where no tag tells its traffic apart. */
  readonly side: string;
  /** Or times of samples. */
  readonly buckets: number;
  /** By then half of the buckets were complete. */
  readonly halfSeconds: number;
  /** The slowest buckets, as many as chance explains where 99% of all buckets are in time. */
  readonly leftOut: number;
  /** By then all the others were complete. */
  readonly completeSeconds: number;
  /** By then all of them were complete. */
  readonly slowestSeconds: number;
}

export interface LagMeasurement {
  readonly service: string;
  /** 0 where samples were watched. */
  readonly bucketSeconds: number;
  readonly calls: number;
  readonly sides: readonly WatchedSide[];
  /** What to set as `gate.lag`; absent where too little was seen. */
  readonly recommendedSeconds?: number;
}

/** What to set as `lag`, and which CUJs have another one, from the buckets that were watched. */
export function checkLag(
  registry: Registry,
  watch: BucketWatch,
): { readonly lag: LagMeasurement; readonly findings: readonly DoctorFinding[] } {
  const { target, calls, bucketMs } = watch;
  const about = `service ${target.service}`;
  const used = [...watch.byValue].filter(([, buckets]) => isEnough(watch, buckets));
  const sides = used.map(([value, buckets]) => sideOf(watch, value, buckets));
  const base = { service: target.service, bucketSeconds: bucketMs / 1000, calls, sides };
  const findings = watch.failure === undefined ? [] : [failureFinding(about, watch)];
  if (sides.length === 0) return { lag: base, findings: [...findings, unknownFinding(about, watch)] };

  const neededMs = Math.max(...sides.map(({ completeSeconds }) => completeSeconds)) * 1000;
  const roundedMs = Math.ceil(neededMs / stepMs) * stepMs;
  const recommendedMs = Math.min(lagRangeMs.max, Math.max(lagRangeMs.min, roundedMs));
  const seen = seenText(watch, sides);
  const set = settingText(roundedMs, recommendedMs);
  const lags = lagsOf(registry);
  const wrong = lags.flatMap(([lagMs, cujs]): DoctorFinding[] => {
    const lag = `lag is ${secondsText(lagMs)} (${listed(cujs)})`;
    const late = worstAt(used, lagMs);
    if (late !== undefined) {
      const [value, buckets] = late;
      return [
        {
          severity: 'warning',
          check: 'lag-too-short',
          about,
          message: `${lag}, and ${lateAt(buckets, lagMs)} of ${buckets.length} ${wordsOf(watch).units} of ${labelOf(watch, value)} were still ${wordsOf(watch).late} at that age. ${seen}`,
          verdict:
            "The newest buckets are judged on a part of their counts. Where canary and stable miss different parts, a failure that both have may look like the canary's own.",
          fix: set,
        },
      ];
    }
    if (lagMs < recommendedMs + spareMs[watch.unit]) return [];
    return [
      {
        severity: 'info',
        check: 'lag-too-long',
        about,
        message: `${lag}, and the data is complete earlier. ${seen}`,
        verdict: `None is wrong. Each verdict, and each abort, comes ${secondsText(lagMs - recommendedMs)} later than the data allows.`,
        fix: set,
      },
    ];
  });
  findings.push(...wrong);
  if (wrong.length === 0) {
    const isClose = lags.some(([lagMs]) => lagMs < recommendedMs);
    findings.push({
      severity: 'info',
      check: 'lag-fits',
      about,
      message: `lag is ${listed(lags.map(([lagMs]) => secondsText(lagMs)))}. ${seen}`,
      verdict: `None: ${watch.unit === 'samples' ? 'counts are judged when all samples of them are there' : 'buckets are judged when they are complete'}, and soon after.`,
      fix: isClose ? `Nothing has to be done. For a margin: ${set}` : 'Nothing to do.',
    });
  }
  return { lag: { ...base, recommendedSeconds: recommendedMs / 1000 }, findings };
}

/** The finding where there is nothing to watch. */
export const withoutTraffic: DoctorFinding = {
  severity: 'info',
  check: 'lag-unknown',
  about: 'the lag',
  message: 'no service of a CUJ had traffic in the last day, so there was nothing to watch',
  verdict: 'None. Whether lag fits is unknown.',
  fix: 'Fix the errors first, then watch again.',
};

/**
 * How many buckets may be later than the recommendation: more would be seen by chance in fewer than one of twenty watches
 * of data of which 99% is in time (binomial distribution). One of 12 to 35, four of 165.
 */
function allowedOf({ length }: readonly WatchedBucket[]): number {
  let exactly = (1 - lateShare) ** length;
  let atMost = exactly;
  let late = 0;
  while (atMost < 0.95) {
    exactly *= ((length - late) / (late + 1)) * (lateShare / (1 - lateShare));
    late += 1;
    atMost += exactly;
  }
  return late;
}

function lateAt(buckets: readonly WatchedBucket[], ageMs: number): number {
  return buckets.filter(({ incompleteMs }) => incompleteMs > ageMs).length;
}

/** The value of the tag with the greatest share of buckets that are late at this age, of those with more than may be. */
function worstAt(
  used: readonly (readonly [value: string, buckets: readonly WatchedBucket[]])[],
  ageMs: number,
): readonly [value: string, buckets: readonly WatchedBucket[]] | undefined {
  const share = (buckets: readonly WatchedBucket[]) => lateAt(buckets, ageMs) / buckets.length;
  return used
    .filter(([, buckets]) => lateAt(buckets, ageMs) > allowedOf(buckets))
    .sort(([, a], [, b]) => share(b) - share(a))[0];
}

/** Counters are scraped whether there are requests or not. */
function isEnough({ unit }: BucketWatch, buckets: readonly WatchedBucket[]): boolean {
  return (
    buckets.length >= minBuckets && (unit === 'samples' || medianRequests(buckets) >= minRequestsPerBucket)
  );
}

/** What was watched, in messages. */
function wordsOf({ unit, bucketMs }: BucketWatch) {
  return unit === 'samples'
    ? { units: 'scrapes', some: 'scrapes', late: 'not seen', done: 'seen', after: 'their time' }
    : {
        units: 'buckets',
        some: `buckets of ${durationText(bucketMs)}`,
        late: 'incomplete',
        done: 'complete',
        after: 'their end',
      };
}

function medianRequests(buckets: readonly WatchedBucket[]): number {
  const sorted = buckets.map(({ requests }) => requests).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

function sideOf(watch: BucketWatch, value: string, buckets: readonly WatchedBucket[]): WatchedSide {
  const ages = buckets.map(({ completeMs }) => completeMs).sort((a, b) => a - b);
  const at = (rank: number) => Math.ceil((ages[rank] as number) / 1000);
  const leftOut = allowedOf(buckets);
  return {
    side: labelOf(watch, value),
    buckets: ages.length,
    halfSeconds: at(Math.ceil(ages.length / 2) - 1),
    leftOut,
    completeSeconds: at(ages.length - 1 - leftOut),
    slowestSeconds: at(ages.length - 1),
  };
}

function labelOf({ target: { key, service } }: BucketWatch, value: string): string {
  if (key === undefined) return service;
  // Of Istio, requests that reached no pod.
  return value === '' ? `no ${key}` : `${key}:${value}`;
}

function seenText(watch: BucketWatch, sides: readonly WatchedSide[]): string {
  const { key } = watch.target;
  const { some, done, after } = wordsOf(watch);
  const texts = sides.map(
    ({ side, buckets, halfSeconds, leftOut, completeSeconds, slowestSeconds }) =>
      `${side}: ${buckets} ${some}, half of them ${done} ${halfSeconds} s after ${after}, all but ${leftOut} after ${completeSeconds} s, the slowest after ${slowestSeconds} s`,
  );
  const one =
    key !== undefined && sides.length === 1
      ? `. Only one value of ${key} had enough ${watch.unit === 'samples' ? 'samples' : 'traffic'}: watch during a rollout to see the canary's ${watch.unit === 'samples' ? 'pods' : 'hosts'} as well`
      : '';
  return `${texts.join('; ')}${one}`;
}

function settingText(roundedMs: number, recommendedMs: number): string {
  const set = `Set gate.lag: ${secondsText(recommendedMs)}, in defaults or for these CUJs`;
  if (recommendedMs > roundedMs)
    return `${set}. The data needs ${secondsText(roundedMs)}; a registry may not have less.`;
  if (recommendedMs < roundedMs)
    return `${set}. The data needs ${secondsText(roundedMs)}; a registry may not have more.`;
  return `${set}.`;
}

/** As lags are written: `90s`, never `1m`, so that they compare. */
function secondsText(ms: number): string {
  return `${Math.round(ms / 1000)}s`;
}

/** Each `lag` of the registry with its CUJs, shortest first. */
function lagsOf(registry: Registry): [lagMs: number, cujs: string[]][] {
  const lags = new Map<number, string[]>();
  for (const { name, gate } of registry.cujs.values())
    lags.set(gate.lagMs, [...(lags.get(gate.lagMs) ?? []), name]);
  return [...lags].sort(([a], [b]) => a - b);
}

function unknownFinding(about: string, watch: BucketWatch): DoctorFinding {
  return watch.unit === 'samples' ? unknownOfSamples(about, watch) : unknownOfBuckets(about, watch);
}

function unknownOfSamples(about: string, { target, byValue }: BucketWatch): DoctorFinding {
  const [first] = byValue.values();
  const base = {
    severity: 'info',
    check: 'lag-unknown',
    about,
    verdict: 'None. Whether lag fits is unknown.',
  } as const;
  if (first === undefined) {
    return {
      ...base,
      message: `no sample of ${target.service} was seen whose time is in the watch: none is more than ${durationText(settleMs)} old`,
      fix: 'Watch for longer. Check that its processes are scraped, and whether samples come more than 10 minutes late: those are not seen.',
    };
  }
  const most = Math.max(...[...byValue.values()].map((samples) => samples.length));
  const spanMs = (first.at(-1)?.startMs ?? 0) - (first[0]?.startMs ?? 0);
  const intervalMs = first.length < 2 ? 60_000 : spanMs / (first.length - 1);
  const longerMs = Math.ceil((settleMs + (minBuckets + 2) * intervalMs) / 60_000) * 60_000;
  return {
    ...base,
    message: `${most} scrapes of ${target.service} were watched for ${durationText(settleMs)}; a recommendation takes ${minBuckets}`,
    fix: `Watch for longer, at least --watch ${durationText(longerMs)}.`,
  };
}

function unknownOfBuckets(about: string, watch: BucketWatch): DoctorFinding {
  const { bucketMs, byValue } = watch;
  const [busiest] = byValue;
  const most = Math.max(0, ...[...byValue.values()].map((buckets) => buckets.length));
  const isQuiet = busiest !== undefined && medianRequests(busiest[1]) < minRequestsPerBucket;
  const message =
    busiest === undefined
      ? 'no bucket with requests could be watched to its end'
      : isQuiet
        ? `${labelOf(watch, busiest[0])} has ${medianRequests(busiest[1])} requests in a bucket of ${durationText(bucketMs)} (median), too few to see when a bucket is complete: it takes ${minRequestsPerBucket}`
        : `${most} buckets of ${durationText(bucketMs)} were watched to their end; a recommendation takes ${minBuckets}`;
  const longerMs = Math.ceil((settleMs + (minBuckets + 1) * bucketMs) / 60_000) * 60_000;
  return {
    severity: 'info',
    check: 'lag-unknown',
    about,
    message,
    verdict: 'None. Whether lag fits is unknown.',
    fix: isQuiet
      ? 'Watch again at a busier hour.'
      : `Watch for longer, at least --watch ${durationText(longerMs)}, while the service has traffic.`,
  };
}

function failureFinding(about: string, { calls, failure }: BucketWatch): DoctorFinding {
  return {
    severity: 'warning',
    check: 'lag-watch-failed',
    about,
    message: `the watch ended early, after ${calls} calls: ${failure?.message ?? ''}`,
    verdict: 'None. Whether lag fits is less certain, or unknown.',
    fix: `${failure?.hint ?? ''} Then watch again.`,
  };
}
