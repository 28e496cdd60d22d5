import { durationMs, durationText, minuteMs } from '../duration.ts';
import { recentStepMs } from '../metrics/buckets.ts';
import { type SliName, sliNames } from '../sli/table.ts';
import { type RegistryInput, type Report, Reporter } from './findings.ts';
import type { GatePolicy } from './model.ts';
import { hasAtMostThreeDecimals } from './objective.ts';
import { minWindowMsOf } from './rules.ts';
import type { CujDocument, GateDocument } from './schema.ts';

type SloDocument = NonNullable<CujDocument['slo']>;

/** The values of a CUJ that does not write its own. */
export interface Defaults {
  readonly slo: SloDocument & { readonly window: NonNullable<SloDocument['window']> };
  readonly gate: Required<GateDocument>;
  /** `gate` as the model has it. */
  readonly policy: GatePolicy;
  /** As the registry itself writes it. A built-in value that a short `maxWindow` keeps from applying is no mistake. */
  readonly writtenPassAfter: string | undefined;
  /** The defaults of some file did not pass the schema or could not be read, so it is not known what they leave out. */
  readonly broken: boolean;
}

/** The gate policy and the SLO window of a registry that names none. */
export const builtInDefaults = {
  slo: { window: '30d' },
  gate: {
    rule: 'confidence',
    falseAbort: 0.05,
    ruleOutBurn: 14.4,
    passAfter: '6m',
    rulesOutRate: 25,
    minRequests: 10,
    onLowTraffic: 'inconclusive',
    onUnreached: 'inconclusive',
    window: 'rollout',
    maxWindow: '2h',
    restartGap: '5m',
    warmUp: 'none',
    minFaultDuration: '30s',
    lag: '45s',
  },
} as const satisfies { readonly slo: SloDocument; readonly gate: Required<GateDocument> };

/** The same gate policy as the model has it. */
export const builtInPolicy: GatePolicy = policyOf(builtInDefaults.gate);

/**
 * The defaults of all files over the built-in ones. Several files may each give some; the same one twice is a problem
 * even where both agree, because later it would not be clear which of them to change.
 */
export function collectDefaults(
  inputs: readonly RegistryInput[],
  complete: boolean,
  report: Report,
): Defaults {
  const slo: Record<string, unknown> = {};
  const gate: Record<string, unknown> = {};
  const givenIn = new Map<string, Reporter>();
  for (const { file, document, broken } of inputs) {
    if (broken?.defaults || document.defaults === undefined) continue;
    const reporter = new Reporter(report, file, ['defaults']);
    for (const [section, into] of [['slo', slo] as const, ['gate', gate] as const]) {
      for (const [key, value] of Object.entries(document.defaults[section] ?? {})) {
        const name = `${section}.${key}`;
        const first = givenIn.get(name);
        if (first === undefined) {
          givenIn.set(name, reporter);
          into[key] = value;
        } else {
          const fix = 'Keep the default in one file.';
          first.key(
            [section, key],
            'duplicate-default',
            into[key],
            `the default ${name} is given in ${file} as well`,
            fix,
          );
          reporter.key(
            [section, key],
            'duplicate-default',
            value,
            `the default ${name} is given in ${first.file} as well`,
            fix,
          );
        }
      }
    }
  }
  const effectiveGate = { ...builtInDefaults.gate, ...gate };
  const defaults: Defaults = {
    slo: { ...builtInDefaults.slo, ...slo },
    gate: effectiveGate,
    policy: policyOf(effectiveGate),
    writtenPassAfter: 'passAfter' in gate ? effectiveGate.passAfter : undefined,
    broken: !complete || inputs.some((input) => input.broken?.defaults === true),
  };
  for (const { file, document, broken } of inputs) {
    if (broken?.defaults || document.defaults === undefined) continue;
    const reporter = new Reporter(report, file, ['defaults']);
    checkSlo(document.defaults.slo, reporter);
    checkGate(document.defaults.gate, defaults, reporter);
  }
  return defaults;
}

/** Reports percentages that an SLO cannot have. */
export function checkSlo(slo: SloDocument | undefined, reporter: Reporter): void {
  for (const sli of sliNames) {
    const percent = slo?.[sli];
    if (percent === undefined) continue;
    if (percent <= 1) {
      // An objective of 1% or less lets everything pass; what was meant is a ratio.
      const meant = Math.round(percent * 100_000) / 1000;
      reporter.value(
        ['slo', sli],
        'percent-not-ratio',
        percent,
        `the ${sli} objective ${percent} is a percentage, so nearly everything would pass`,
        meant < 100
          ? `Write percent: ${meant} where the ratio ${percent} is meant.`
          : 'Write percent, such as 99.95.',
      );
      continue;
    }
    if (hasAtMostThreeDecimals(percent)) continue;
    reporter.value(
      ['slo', sli],
      'percent-decimals',
      percent,
      `the ${sli} objective ${percent} has more than 3 decimals, and SLOs keep 3`,
      'Round it to at most 3 decimals, such as 99.95.',
    );
  }
}

const maxWindowLimitMs = 24 * 3_600_000;
const minFaultLimitMs = 10 * minuteMs;
const warmUpLimitMs = 10 * minuteMs;
/** What a registry may write as lag. Before the least of it, agents have not sent what they counted. */
export const lagRangeMs = { min: 20_000, max: 3_600_000 } as const;

/** Durations of one `gate:` block. What it inherits is reported where it is written, not here again. */
export function checkGate(own: GateDocument | undefined, defaults: Defaults, reporter: Reporter): void {
  if (own === undefined) return;
  for (const key of ['window', 'maxWindow', 'restartGap', 'passAfter'] as const) {
    const text = own[key];
    if (text === undefined || text === 'rollout' || text === 'never' || spanMs(text) % minuteMs === 0)
      continue;
    reporter.value(
      ['gate', key],
      'whole-minutes',
      text,
      `${key} is ${text}, and traffic is counted in whole minutes`,
      'Use whole minutes, such as 5m or 2h.',
    );
  }
  const minFaultMs = own.minFaultDuration === undefined ? undefined : spanMs(own.minFaultDuration);
  if (minFaultMs !== undefined && (minFaultMs < recentStepMs || minFaultMs > minFaultLimitMs)) {
    reporter.value(
      ['gate', 'minFaultDuration'],
      'min-fault-duration-range',
      own.minFaultDuration,
      minFaultMs < recentStepMs
        ? `minFaultDuration is ${own.minFaultDuration}, and the metrics show nothing shorter than 10 s`
        : `minFaultDuration is ${own.minFaultDuration}, and a fault of more than 10 minutes is no blip`,
      'minFaultDuration must be 10s to 10m. The default is 30s.',
    );
  }
  if (own.maxWindow !== undefined && spanMs(own.maxWindow) > maxWindowLimitMs) {
    reporter.value(
      ['gate', 'maxWindow'],
      'max-window-limit',
      own.maxWindow,
      `maxWindow is ${own.maxWindow}, and at most 24h are looked at`,
      'Use at most 24h: a rollout that takes longer is judged by its last 24 hours.',
    );
  }
  const lag = own.lag === undefined ? undefined : spanMs(own.lag);
  if (lag !== undefined && (lag < lagRangeMs.min || lag > lagRangeMs.max)) {
    reporter.value(
      ['gate', 'lag'],
      'lag-range',
      own.lag,
      lag < lagRangeMs.min
        ? `lag is ${own.lag}, and no metrics are complete before 20 s`
        : `lag is ${own.lag}, and a verdict more than an hour late is of no use`,
      'lag must be 20s to 1h. The default is 45s.',
    );
  }
  checkWarmUp(own.warmUp, ['gate', 'warmUp'], reporter);
  // A broken `defaults` may hold the other half of a pair.
  if (defaults.broken) return;
  checkShortWindow(own, defaults, reporter);
  checkWindow(own, defaults, reporter);
  checkPassAfter(own, defaults, reporter);
}

/** Reports a window in which nothing could ever fail: at the window, or at what makes an inherited one too short. */
function checkShortWindow(own: GateDocument, defaults: Defaults, reporter: Reporter): void {
  const gate = { ...defaults.gate, ...own };
  const minMs = minWindowMsOf(gate.rule, spanMs(gate.minFaultDuration));
  for (const name of ['window', 'maxWindow'] as const) {
    const text = gate[name];
    const key = ([name, 'minFaultDuration', 'rule'] as const).find((one) => own[one] !== undefined);
    // What is not in whole minutes is reported already.
    if (key === undefined || text === 'rollout' || spanMs(text) % minuteMs !== 0 || spanMs(text) >= minMs)
      continue;
    reporter.value(
      ['gate', key],
      'window-too-short',
      own[key],
      `${name} is ${text}, and a fail needs a fault that lasts longer than ${gate.minFaultDuration} (minFaultDuration), so nothing could ever fail`,
      `Use a ${name} of at least ${durationText(minMs)}, or the rule strict.`,
    );
  }
}

function checkWindow(own: GateDocument, defaults: Defaults, reporter: Reporter): void {
  if (own.window === undefined && own.maxWindow === undefined) return;
  const window = own.window ?? defaults.gate.window;
  const maxWindow = own.maxWindow ?? defaults.gate.maxWindow;
  if (window === 'rollout' || spanMs(window) <= spanMs(maxWindow)) return;
  const key = own.window === undefined ? 'maxWindow' : 'window';
  reporter.value(
    ['gate', key],
    'window-over-max-window',
    own[key],
    `window (${window}) is longer than maxWindow (${maxWindow})`,
    'Shorten window or lengthen maxWindow, which is at most 24h.',
  );
}

/** A limited pass needs `passAfter` of data, and one analysis covers `maxWindow`. */
function checkPassAfter(own: GateDocument, defaults: Defaults, reporter: Reporter): void {
  const key = (['passAfter', 'maxWindow', 'window'] as const).find((name) => own[name] !== undefined);
  const passAfter = own.passAfter ?? defaults.writtenPassAfter;
  if (key === undefined || passAfter === undefined || passAfter === 'never') return;
  const maxWindow = own.maxWindow ?? defaults.gate.maxWindow;
  // A fixed window has no limited pass.
  const isRollout = (own.window ?? defaults.gate.window) === 'rollout';
  if (!isRollout || spanMs(passAfter) <= spanMs(maxWindow)) return;
  reporter.value(
    ['gate', key],
    'pass-after-over-max-window',
    own[key],
    `passAfter (${passAfter}) is longer than maxWindow (${maxWindow}), so it could never apply`,
    'Shorten passAfter, lengthen maxWindow, which is at most 24h, or write passAfter: never.',
  );
}

/** The policy of a CUJ: its own values over the defaults. CUJs that say nothing share one. */
export function gatePolicy(own: GateDocument | undefined, defaults: Defaults): GatePolicy {
  return own === undefined ? defaults.policy : policyOf({ ...defaults.gate, ...own });
}

function policyOf(gate: Required<GateDocument>): GatePolicy {
  return {
    rule: gate.rule,
    falseAbort: gate.falseAbort,
    ruleOutBurn: gate.ruleOutBurn,
    ...(gate.passAfter === 'never' ? {} : { passAfterMs: spanMs(gate.passAfter) }),
    rulesOutRate: gate.rulesOutRate / 100,
    minRequests: gate.minRequests,
    onLowTraffic: gate.onLowTraffic,
    onUnreached: gate.onUnreached,
    window: gate.window === 'rollout' ? 'rollout' : spanMs(gate.window),
    maxWindowMs: spanMs(gate.maxWindow),
    restartGapMs: spanMs(gate.restartGap),
    ...warmUpOf(gate.warmUp),
    minFaultMs: spanMs(gate.minFaultDuration),
    lagMs: spanMs(gate.lag),
  };
}

type WarmUpDocument = NonNullable<GateDocument['warmUp']>;

/** A warm-up by SLI; nothing where there is none. */
export function warmUpOf(warmUp: WarmUpDocument): Pick<GatePolicy, 'warmUpMs'> {
  const spans: { [sli in SliName]?: number } = {};
  for (const sli of sliNames) {
    const text = typeof warmUp === 'string' ? warmUp : warmUp[sli];
    if (text !== undefined && text !== 'none') spans[sli] = spanMs(text);
  }
  return Object.keys(spans).length === 0 ? {} : { warmUpMs: spans };
}

/** Reports a warm-up that is too long or not in whole minutes, at `path`. */
export function checkWarmUp(
  warmUp: WarmUpDocument | undefined,
  path: readonly string[],
  reporter: Reporter,
): void {
  const texts: [readonly string[], string | undefined][] =
    typeof warmUp === 'object' ? sliNames.map((sli) => [[...path, sli], warmUp[sli]]) : [[path, warmUp]];
  for (const [at, text] of texts) {
    if (text === undefined || text === 'none') continue;
    if (spanMs(text) % minuteMs === 0 && spanMs(text) <= warmUpLimitMs) continue;
    reporter.value(
      at,
      'warm-up-range',
      text,
      `warmUp is ${text}, and it must be whole minutes, at most 10m: nothing sees a broken canary before`,
      'Use 1m to 10m, such as 2m, or none.',
    );
  }
}

/** A duration that passed the schema. */
function spanMs(text: string): number {
  return durationMs(text) as number;
}
