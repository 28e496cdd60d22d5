/** Reads what `cuj-gate generate` writes: a Rollout and its AnalysisTemplates, as Argo Rollouts understands them. */
import { parse, parseAllDocuments } from 'yaml';
import type { CanarySpec, MeasurementPhase, Metric, Step } from './argo.ts';

/** A metric that asks the gate. */
export interface GateMetric extends Metric {
  /** The path with its query, without the gate's address. */
  readonly path: string;
  /** Names are in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly value: (answer: unknown) => unknown;
  readonly successCondition: Condition | undefined;
  readonly failureCondition: Condition | undefined;
}

type Condition = (result: unknown) => boolean;
type Fields = Readonly<Record<string, unknown>>;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration in Go's format (`1h30m`), or of whole seconds as Argo takes them. */
export function goDurationMs(value: unknown): number {
  const text = String(value);
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) throw new Error(`${text} is no duration`);
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    sum += Number(amount) * (unitMs[unit as string] as number);
  return sum;
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null || value === '' ? undefined : read(value);
}

/** The two forms of a condition that the generated templates use. */
export function conditionOf(text: string): Condition {
  const match = /^result(?:\[(\d+)\])? (startsWith|==) "([^"]*)"$/.exec(text.trim());
  if (match === null) throw new Error(`the simulation does not understand the condition ${text}`);
  const [, index, operator, wanted = ''] = match;
  return (result) => {
    const value = index === undefined ? result : (result as readonly unknown[])[Number(index)];
    return operator === '==' ? value === wanted : typeof value === 'string' && value.startsWith(wanted);
  };
}

/** A JSONPath of members alone: `{$.summary}`. */
function jsonPathOf(text: string | undefined): (answer: unknown) => unknown {
  if (text === undefined) return (answer) => answer;
  const match = /^\{\$((?:\.[A-Za-z_]\w*)+)\}$/.exec(text);
  if (match === null) throw new Error(`the simulation does not understand the jsonPath ${text}`);
  const names = (match[1] as string).slice(1).split('.');
  return (answer) => names.reduce<unknown>((value, name) => (value as Fields | undefined)?.[name], answer);
}

/** `EvaluateResult` of evaluate.go, for the value that the JSONPath finds in an answer. */
export function assess(metric: GateMetric, answer: unknown): MeasurementPhase {
  const value = metric.value(answer);
  if (value === undefined) return 'Error';
  const { successCondition, failureCondition } = metric;
  if (failureCondition === undefined) {
    if (successCondition === undefined) return 'Successful';
    return successCondition(value) ? 'Successful' : 'Failed';
  }
  if (failureCondition(value)) return 'Failed';
  return successCondition === undefined || successCondition(value) ? 'Successful' : 'Inconclusive';
}

function filled(text: string, args: ReadonlyMap<string, string>): string {
  return text.replace(/\{\{\s*args\.([\w.-]+)\s*\}\}/g, (_, name: string) => {
    const value = args.get(name);
    if (value === undefined) throw new Error(`the Rollout does not pass the argument ${name}`);
    return value;
  });
}

function metricOf(spec: Fields, args: ReadonlyMap<string, string>): GateMetric {
  const web = (spec.provider as Fields | undefined)?.web as Fields | undefined;
  if (web === undefined) throw new Error(`metric ${spec.name} has no web provider`);
  const url = new URL(filled(String(web.url), args));
  const headers = (web.headers ?? []) as readonly { key: string; value: string }[];
  const number = (name: string) => optional(spec[name], Number);
  return {
    name: String(spec.name),
    initialDelayMs: optional(spec.initialDelay, goDurationMs),
    intervalMs: optional(spec.interval, goDurationMs),
    count: number('count'),
    consecutiveSuccessLimit: number('consecutiveSuccessLimit'),
    failureLimit: number('failureLimit'),
    inconclusiveLimit: number('inconclusiveLimit'),
    consecutiveErrorLimit: number('consecutiveErrorLimit'),
    path: url.pathname + url.search,
    headers: new Map(headers.map(({ key, value }) => [key.toLowerCase(), filled(value, args)])),
    value: jsonPathOf(optional(web.jsonPath, String)),
    successCondition: optional(spec.successCondition, (text) => conditionOf(String(text))),
    failureCondition: optional(spec.failureCondition, (text) => conditionOf(String(text))),
  };
}

/** The pod template hashes that Argo passes as arguments. */
export interface Hashes {
  readonly Latest: string;
  readonly Stable: string;
}

function analysisOf(
  analysis: Fields,
  templates: ReadonlyMap<string, Fields>,
  hashes: Hashes,
): readonly GateMetric[] {
  const args = new Map(
    ((analysis.args ?? []) as readonly Fields[]).map((arg) => {
      const from = arg.valueFrom as { podTemplateHashValue?: keyof Hashes } | undefined;
      const value = from?.podTemplateHashValue === undefined ? arg.value : hashes[from.podTemplateHashValue];
      if (value === undefined)
        throw new Error(`the simulation does not understand where the argument ${arg.name} comes from`);
      return [String(arg.name), String(value)] as const;
    }),
  );
  return ((analysis.templates ?? []) as readonly { templateName: string }[]).flatMap(({ templateName }) => {
    const template = templates.get(templateName);
    if (template === undefined) throw new Error(`there is no template ${templateName}`);
    return (template.metrics as readonly Fields[]).map((metric) => metricOf(metric, args));
  });
}

function stepOf(step: Fields, analysis: (analysis: Fields) => readonly GateMetric[]): Step<GateMetric> {
  const [kind] = Object.keys(step);
  if (kind === 'setWeight') return { kind, weight: Number(step.setWeight) };
  if (kind === 'pause') {
    return { kind, durationMs: optional((step.pause as Fields | null)?.duration, goDurationMs) };
  }
  if (kind === 'analysis') return { kind, metrics: analysis(step.analysis as Fields) };
  throw new Error(`the simulation does not understand the step ${JSON.stringify(step)}`);
}

/** The canary strategy of a Rollout. Throws where it holds something that the simulation does not know. */
export function canarySpecOf(
  rolloutYaml: string,
  templateYamls: readonly string[],
  hashes: Hashes,
): CanarySpec<GateMetric> {
  const templates = new Map(
    templateYamls
      .flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Fields))
      .map(({ metadata, spec }) => [String((metadata as Fields).name), spec as Fields] as const),
  );
  const rollout = parse(rolloutYaml) as { spec: { strategy: { canary: Fields } } };
  const { canary } = rollout.spec.strategy;
  const background = canary.analysis as Fields | undefined;
  const analysis = (of: Fields) => analysisOf(of, templates, hashes);
  return {
    steps: (canary.steps as readonly Fields[]).map((step) => stepOf(step, analysis)),
    background:
      background === undefined
        ? undefined
        : { startingStep: Number(background.startingStep ?? 0), metrics: analysis(background) },
  };
}
