import { type Command, InvalidArgumentError, Option } from 'commander';
import { oneLine } from '../../domain/outside-text.ts';
import { defaultDocsUrl } from '../../generate/alerts/runbook-links.ts';
import {
  defaultAnalysisOptions,
  type GateAuth,
  gateLimits,
  isArgoDuration,
  type TemplateKind,
} from '../../generate/argo/analysis-options.ts';
import { parseValueSource, type ValueSource } from '../../generate/argo/canary-args.ts';
import type { RolloutOptions } from '../../generate/argo/rollout.ts';
import type { SizedSteps } from '../../generate/argo/sized-steps.ts';
import { GenerateError } from '../../generate/output/generated-file.ts';
import { type Layout, layouts } from '../../generate/output/layout.ts';
import { type RulesFormat, rulesFormats } from '../../generate/prometheus/rules-file.ts';
import { environmentOption } from './environment-option.ts';
import { daysOption } from './measure-traffic.ts';
import { type GivenTraffic, requestsPerMinuteOption } from './traffic-options.ts';

/** The options as commander parses them. */
export interface GenerateFlags {
  readonly registry?: string;
  readonly out?: string;
  readonly layout?: Layout;
  readonly check?: true;
  readonly json?: true;
  readonly force?: true;
  readonly service?: string;
  readonly gateUrl: string;
  readonly publicUrl?: string;
  readonly docsUrl?: string;
  readonly kind: TemplateKind;
  readonly namespace?: string;
  /** Undefined: that of each Rollout of `rollouts`, otherwise the default. */
  readonly versionFrom?: ValueSource;
  readonly rollouts: readonly string[];
  /** By service, as found in `rollouts`. */
  readonly versionFromOf?: ReadonlyMap<string, ValueSource>;
  readonly param: ReadonlyMap<string, ValueSource>;
  readonly authSecret?: { secret: string; key: string };
  readonly oauth2TokenUrl?: string;
  readonly oauth2Secret?: string;
  readonly oauth2Scope: readonly string[];
  readonly interval: string;
  readonly initialDelay?: string;
  readonly count?: number;
  readonly passes?: number;
  readonly watchErrors: number;
  readonly gateErrors: number;
  readonly requestsPerMinute?: GivenTraffic;
  readonly measureTraffic?: true;
  readonly days: number;
  readonly environment?: string;
  readonly registryDigest?: true;
  readonly analysis: 'cujs' | 'service';
  readonly notify: readonly string[];
  readonly rulesFormat?: RulesFormat;
}

const defaults = defaultAnalysisOptions;

/** Adds the options of `generate`, in the groups of its help. */
export function addGenerateOptions(command: Command): Command {
  const collect = (value: string, all: readonly string[]) => [...all, value];
  const add = (group: string, ...options: Option[]) => {
    for (const option of options) command.addOption(option.helpGroup(group));
  };
  add(
    'Input and output:',
    new Option('--registry <path>', 'the registry: a file or a folder (default: $CUJ_GATE_REGISTRY)'),
    environmentOption(),
    new Option('--out <dir>', 'write files to this folder (default: print them)'),
    new Option(
      '--layout <layout>',
      'plain; helm: files for the chart in --out; kustomize: a kustomization.yaml and name references (default: plain)',
    ).choices(layouts),
    new Option('--check', 'write nothing; show differences, with exit code 1 if there are any'),
    new Option('--json', 'with --check: print one JSON object: ok, out, files, differences, inFlight'),
    new Option('--force', 'replace files that were edited or not written by generate'),
    new Option(
      '--public-url <url>',
      'where people reach the gate with a browser: what is generated then links to its pages (default: $CUJ_GATE_PUBLIC_URL)',
    ).argParser(publicUrl),
    new Option(
      '--docs-url <url>',
      `where people read the docs folder of this repository: runbook_url of alerts about the gate (default: ${defaultDocsUrl}, which leads nowhere)`,
    ).argParser(publicUrl),
    new Option('--service <name>', 'rollout, virtual-service: only this service'),
  );
  add(
    'AnalysisTemplates and Rollouts:',
    new Option('--gate-url <url>', 'URL at which the Argo Rollouts controller reaches the gate')
      .argParser(gateUrl)
      .default(defaults.gateUrl),
    new Option('--kind <kind>', 'kind of the templates')
      .choices(['AnalysisTemplate', 'ClusterAnalysisTemplate'])
      .default(defaults.kind),
    new Option(
      '--namespace <name>',
      'namespace of templates, Rollouts, VirtualServices, Services and PrometheusRules (default: none, as given to kubectl)',
    ).argParser(namespaceName),
    new Option(
      '--version-from <source>',
      'source of the version: pod-template-hash, label:KEY of the pods, or field:PATH of the Rollout (default: what the Rollouts of --rollouts have; otherwise pod-template-hash)',
    ).argParser(versionSource),
    new Option(
      '--rollouts <path>',
      'file or folder with your Rollouts, to read from them where each has its version; may be repeated',
    )
      .argParser(collect)
      .default([], 'none'),
    new Option(
      '--param <name=source>',
      'source of one parameter of a selector, also value:TEXT and pod-template-hash:Stable; may be repeated',
    )
      .argParser(parameter)
      .default(new Map(), 'none'),
    new Option('--auth-secret <name/key>', "Secret with the gate's token").argParser(secretKey),
    new Option('--oauth2-token-url <url>', 'client credentials: URL of the token endpoint').argParser(
      httpUrl,
    ),
    new Option(
      '--oauth2-secret <name>',
      'client credentials: Secret with client-id and client-secret',
    ).argParser(objectName),
    new Option('--oauth2-scope <scope>', 'client credentials: scope; may be repeated')
      .argParser(collect)
      .default([], 'none'),
    new Option('--interval <duration>', 'time between two measurements')
      .argParser(interval)
      .default(defaults.interval),
    new Option(
      '--initial-delay <duration>',
      "delay of the first measurement of a background analysis (default: the CUJ's lag plus 30 s)",
    ).argParser(duration),
    new Option(
      '--count <n>',
      `maximum number of measurements of an inline analysis step (default: 15 minutes of them, ${defaults.count} at ${defaults.interval})`,
    ).argParser(atLeastOne),
    new Option(
      '--passes <n>',
      `number of consecutive passes that an inline analysis step needs (default: as many as span a minute, ${defaults.passes} at ${defaults.interval})`,
    ).argParser(atLeastOne),
    new Option(
      '--watch-errors <n>',
      'consecutive failed requests that a background analysis tolerates, one every 10 s',
    )
      .argParser(atLeastOne)
      .default(defaults.watchErrors),
    new Option('--gate-errors <n>', 'the same for an inline analysis step')
      .argParser(atLeastOne)
      .default(defaults.gateErrors),
    requestsPerMinuteOption('sizes weights, pauses and counts'),
    new Option(
      '--measure-traffic',
      'size them to the traffic of the last days, as plan reads it; requires DD_API_KEY and DD_APP_KEY',
    ),
    daysOption(),
    new Option('--analysis <which>', 'templates of a rollout: one for each CUJ, or one for the service')
      .choices(['cujs', 'service'])
      .default('cujs'),
    new Option(
      '--registry-digest',
      'annotate every object with the digest of the whole registry; every change then changes all objects',
    ),
  );
  add(
    'Terraform:',
    new Option(
      '--notify <handle>',
      "handle that monitors notify, such as @slack-{owner}; {owner} is the CUJ's owner; may be repeated",
    )
      .argParser(collect)
      .default([], 'none'),
  );
  add(
    "Prometheus' rules:",
    new Option(
      '--rules-format <format>',
      'file: for rule_files of Prometheus; prometheus-rule: objects of the Prometheus Operator, one for each CUJ (default: file)',
    ).choices(rulesFormats),
  );
  return command;
}

/**
 * The options with the public URL of the environment, where none is given. Throws GenerateError where that is none; its
 * value is shown only if it has no password.
 */
export function withPublicUrl(
  flags: GenerateFlags,
  env: Readonly<Record<string, string | undefined>>,
): GenerateFlags {
  const text = env.CUJ_GATE_PUBLIC_URL?.trim() ?? '';
  if (flags.publicUrl !== undefined || text === '') return flags;
  try {
    return { ...flags, publicUrl: publicUrl(text) };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const shown = text.includes('@') ? '' : `=${oneLine(text)}`;
    throw new GenerateError(
      `CUJ_GATE_PUBLIC_URL${shown} is invalid. ${error.message}`,
      'Correct it, or give --public-url.',
    );
  }
}

/** The options of templates and Rollouts. Throws GenerateError where options contradict each other. */
export function rolloutOptions(
  flags: GenerateFlags,
  steps: ReadonlyMap<string, SizedSteps> = new Map(),
): RolloutOptions {
  const { gateUrl: url, kind, namespace, param, interval: every, initialDelay } = flags;
  const limits = gateLimits(every);
  return {
    gateUrl: url,
    publicUrl: flags.publicUrl,
    kind,
    namespace,
    versionFrom: flags.versionFrom ?? defaults.versionFrom,
    versionFromOf: flags.versionFromOf ?? defaults.versionFromOf,
    params: param,
    auth: authOf(flags),
    interval: every,
    initialDelay,
    count: flags.count ?? Math.max(limits.count, flags.passes ?? 0),
    passes: flags.passes ?? limits.passes,
    steps,
    watchErrors: flags.watchErrors,
    gateErrors: flags.gateErrors,
    registryDigest: flags.registryDigest ?? false,
    analysis: flags.analysis,
  };
}

function authOf({
  authSecret,
  oauth2TokenUrl,
  oauth2Secret,
  oauth2Scope,
}: GenerateFlags): GateAuth | undefined {
  const oauth2 = oauth2TokenUrl !== undefined || oauth2Secret !== undefined || oauth2Scope.length > 0;
  if (authSecret !== undefined && oauth2) {
    throw new GenerateError('--auth-secret and --oauth2-… are both given.', 'Use one of them.');
  }
  if (authSecret !== undefined) return { kind: 'token', ...authSecret };
  if (!oauth2) return undefined;
  if (oauth2TokenUrl === undefined || oauth2Secret === undefined) {
    throw new GenerateError('OAuth2 requires --oauth2-token-url and --oauth2-secret.', 'Give both.');
  }
  return { kind: 'oauth2', tokenUrl: oauth2TokenUrl, secret: oauth2Secret, scopes: oauth2Scope };
}

function httpUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError('It is not a URL.');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new InvalidArgumentError('It must begin with http:// or https://.');
  if (/[\s{}]/.test(text))
    throw new InvalidArgumentError(
      'Spaces and braces are not allowed: Argo would read braces as an argument.',
    );
  return text;
}

function gateUrl(text: string): string {
  if (/[?#]/.test(httpUrl(text)))
    throw new InvalidArgumentError('It must not contain ? or #: a path is appended.');
  return text.replace(/\/+$/, '');
}

/** No other characters than these, so that none of the systems that a link is written for takes a part of it for its own. */
const plainUrl = /^https?:\/\/(?:\[[0-9a-f:.]+\]|[\w.~-]+)(?::\d+)?(?:\/[\w.~-]+)*$/;

function publicUrl(text: string): string {
  const { origin, pathname, username, password } = new URL(gateUrl(text));
  if (username !== '' || password !== '')
    throw new InvalidArgumentError(
      'It must not contain a user name or password: everybody can read the links.',
    );
  const url = `${origin}${pathname.replace(/\/+$/, '')}`;
  if (!plainUrl.test(url))
    throw new InvalidArgumentError('Its host and path may hold only letters, digits, and . _ ~ -.');
  return url;
}

function objectName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('It is not a valid Kubernetes name.');
  return text;
}

function namespaceName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('It is not a valid Kubernetes namespace.');
  return text;
}

function secretKey(text: string): { secret: string; key: string } {
  const at = text.indexOf('/');
  const key = text.slice(at + 1);
  if (at <= 0 || !/^[A-Za-z0-9._-]+$/.test(key)) throw new InvalidArgumentError('Use SECRET/KEY.');
  return { secret: objectName(text.slice(0, at)), key };
}

function duration(text: string): string {
  if (!isArgoDuration(text))
    throw new InvalidArgumentError('Use a whole number with s, m or h, such as 20s.');
  return text;
}

function interval(text: string): string {
  if (duration(text) === '0s') throw new InvalidArgumentError('It must be above 0.');
  return text;
}

function atLeastOne(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return Number(text);
}

function valueSource(text: string): ValueSource {
  const source = parseValueSource(text);
  if ('error' in source) throw new InvalidArgumentError(`${source.error}.`);
  return source;
}

/** Sources of the canary's version. A constant, or the version of stable, would judge another version. */
function versionSource(text: string): ValueSource {
  const source = valueSource(text);
  if (source.kind === 'value' || (source.kind === 'pod-template-hash' && source.of === 'Stable'))
    throw new InvalidArgumentError(
      'That is not the version of the new pods. Use pod-template-hash, label:KEY or field:PATH. For constants, use --param NAME=value:TEXT.',
    );
  return source;
}

function parameter(text: string, all: ReadonlyMap<string, ValueSource>): ReadonlyMap<string, ValueSource> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('Use NAME=SOURCE, such as role=value:canary.');
  return new Map([...all, [text.slice(0, at), valueSource(text.slice(at + 1))]]);
}
