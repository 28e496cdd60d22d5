import { parse } from 'yaml';
import { SourceError } from '../../domain/errors.ts';
import { listed } from '../../domain/name-lists.ts';
import type { OpenApiRoutes } from '../../init/openapi.ts';
import {
  chooseCanary,
  type ProposedService,
  proposePrometheusRegistry,
  routeOfEndpoint,
} from '../../init/prometheus-proposal.ts';
import { percent } from '../../init/proposal.ts';
import { type LeftOut, sortOut } from '../../init/routes.ts';
import { prometheusDialect } from '../../sources/prometheus/query/dialect.ts';
import {
  type CounterOptions,
  namedCounter,
  type ProposedSource,
  presetSource,
  proposedPresets,
  versionLabels,
  writtenSource,
} from '../../sources/prometheus/query/found-counters.ts';
import { sentence } from '../render/sentence.ts';
import type { Io } from './io.ts';
import { openPrometheus, type PrometheusSession } from './open-backend.ts';

export interface PrometheusInitOptions extends CounterOptions {
  readonly service?: string;
  readonly env: string;
  readonly openapi?: string;
  readonly top: number;
}

type FoundServices = Exclude<Awaited<ReturnType<PrometheusSession['findServices']>>, { problem: string }>;
type FoundService = FoundServices['services'][number];

/** An error that the user can correct. An empty one is reported already. */
export class Misuse extends Error {}

/** A registry of what Prometheus has. Throws Misuse. */
export async function fromPrometheus(options: PrometheusInitOptions, io: Io): Promise<string> {
  const prometheus = await openPrometheus(io);
  if (prometheus === undefined) throw new Misuse('');
  const { service, env } = options;
  try {
    io.stderr.write(`querying the counters of ${service ?? 'all services'}\n`);
    const found = await prometheus.findServices({ ...options, service });
    if ('problem' in found) throw new Misuse(found.problem);
    const total = found.services.reduce((sum, { requests }) => sum + requests, 0);
    const services = found.services.map((one) => proposed(one, total, options.canaryLabel));
    const text = proposePrometheusRegistry({
      env,
      top: options.top,
      from: `the traffic of ${found.services.map(({ name }) => name).join(', ')} in Prometheus (${found.metric}) over the last ${found.span}`,
      services,
      leftOut: found.leftOut.map(({ name, requests, why }) => ({
        label: `service ${name}`,
        share: total === 0 ? undefined : requests / total,
        why,
      })),
      notes: notesOf(found),
    });
    io.stderr.write(summaryOf(found, services, text));
    return text;
  } catch (error) {
    if (error instanceof SourceError) throw new Misuse(`${sentence(error.message)} ${error.hint}`);
    throw error;
  } finally {
    await prometheus.close();
  }
}

/** What the proposal has, for those who do not see it: it is written into a file. */
function summaryOf(found: FoundServices, services: readonly ProposedService[], text: string): string {
  const { cujs } = parse(text) as { cujs: readonly { name: string }[] };
  const versions = new Set(
    found.services.flatMap(({ versions: of }, i) =>
      [...(of.get(services[i]?.canary.label ?? '')?.keys() ?? [])].filter((version) => version !== ''),
    ),
  );
  const checks = text.split('CHECK:').length - 1;
  return [
    `${cujs.length} ${cujs.length === 1 ? 'CUJ' : 'CUJs'} proposed from ${found.metric}: ${listed(
      cujs.map(({ name }) => name),
      20,
    )}`,
    versions.size === 0 ? 'no version was found' : `versions: ${listed([...versions], 10)}`,
    `${checks === 0 ? 'no comment' : `${checks} ${checks === 1 ? 'comment' : 'comments'}`} to CHECK`,
    '',
  ].join('\n');
}

function notesOf({ otherPresets, labelNames, hasMoreServices }: FoundServices): string[] {
  return [
    ...(otherPresets.length === 0 ? [] : [`Also in Prometheus: ${otherPresets.join(', ')}; see --counter.`]),
    ...(hasMoreServices ? ['There are more services than were read: name one by --service.'] : []),
    ...(labelNames.length === 0 ? [] : [`The labels of the counter: ${labelNames.join(', ')}.`]),
  ];
}

function proposed(found: FoundService, total: number, canaryLabel: string | undefined): ProposedService {
  const { name, source, requests, routes, hasMoreRoutes, unrouted, scopes, withoutStatus, noFailures } =
    found;
  const share = (count: number) => (total === 0 ? 0 : count / total);
  const read = [...routes].map(([endpoint, count]) => ({
    count,
    route: routeOfEndpoint(endpoint, share(count)),
  }));
  const isSilent = ({ count }: { readonly count: number }) => count <= 0;
  const leftOut: LeftOut[] = read.flatMap((one) => {
    if ('why' in one.route) return [one.route];
    return isSilent(one) ? [{ label: one.route.label, share: 0, why: 'no request in that time' }] : [];
  });
  const own = read.flatMap((one) => ('why' in one.route || isSilent(one) ? [] : [one.route]));
  const canary = chooseCanary(found.versions, canaryLabel ?? fallbackLabel(source));
  const hasVersion = [...(found.versions.get(canary.label)?.keys() ?? [])].some((value) => value !== '');
  const of = (count: number) => percent(requests === 0 ? 0 : Math.min(1, count / requests));
  const notes = [
    ...(hasVersion || !source.name.startsWith('http')
      ? []
      : [
          `CHECK: ${name} has no version. Where metrics come by OTLP, promote the resource attribute service.version to a label (otlp.promote_resource_attributes of Prometheus).`,
        ]),
    ...[...withoutStatus].map(
      ([label, count]) =>
        `CHECK: ${of(count)} of the requests of ${name} have no ${label}, by which failures are told: with many of them verdicts are inconclusive (status_missing).`,
    ),
    ...[...noFailures].map(
      ([label, values]) =>
        `CHECK: requests of ${name} with these values of ${label} are no failures: ${values.slice(0, 10).join(', ')}${values.length > 10 ? ', …' : ''}`,
    ),
    ...[...scopes].map(
      ([label, values]) =>
        `CHECK: ${name} has requests of several values of ${label} (${values.slice(0, 4).join(', ')}), and all are counted together. For one of them: tags: { ${label}: ${JSON.stringify(values[0])} }`,
    ),
    ...(unrouted > 0
      ? [
          `CHECK: ${of(unrouted)} of the requests of ${name} lack a label of ${source.parsed.endpointLabels.join('/')}. While the canary fails one of them, nothing is judged (source_malformed).`,
        ]
      : []),
    ...(hasMoreRoutes
      ? [
          `CHECK: ${name} has more endpoints than were read (${routes.size}): most likely raw paths instead of routes.`,
        ]
      : []),
  ];
  return {
    name,
    source,
    canary,
    routes: own,
    leftOut,
    notes,
    share: share(requests),
  };
}

/** What a registry has where no series has a label of the version. */
function fallbackLabel({ name }: ProposedSource): string {
  if (name.startsWith('http')) return 'service_version';
  return name.startsWith('mesh') ? 'destination_version' : 'version';
}

/** Where the routes of an OpenAPI description come from. */
export function fromDescription({ title, basePath }: OpenApiRoutes): string {
  return `the OpenAPI description of ${JSON.stringify(title)}${basePath === '' ? '' : ` under ${basePath}`}; write placeholders as the framework does`;
}

/** A registry of an OpenAPI description, without asking Prometheus. Undefined where it has no route. Throws Misuse. */
export function prometheusTextOf(
  options: PrometheusInitOptions & { readonly service: string },
  description: OpenApiRoutes,
): string | undefined {
  const source = offlineSource(options);
  if (source.parsed.endpointLabels.length === 0) {
    throw new Misuse(
      `${source.parsed.total.metric} does not tell endpoints apart, so the routes of ${options.openapi} cannot be judged. Name its label by --group-by, or another counter by --counter.`,
    );
  }
  const text = proposePrometheusRegistry({
    env: options.env,
    top: options.top,
    from: fromDescription(description),
    services: [
      {
        name: options.service,
        source,
        canary: {
          label: options.canaryLabel ?? fallbackLabel(source),
          note:
            options.canaryLabel === undefined
              ? `CHECK: the label that tells versions apart, such as ${versionLabels.join(', ')}`
              : 'the label that tells versions apart',
        },
        routes: description.routes,
        leftOut: [],
        notes: [],
        share: undefined,
      },
    ],
    leftOut: description.leftOut,
    notes: [],
  });
  return sortOut(description.routes, prometheusDialect).routes.length > 0 ? text : undefined;
}

function offlineSource(options: CounterOptions): ProposedSource {
  const counter = options.counter?.trim() ?? 'preset:opentelemetry';
  const preset = Object.entries(proposedPresets).find(([, one]) => counter === `preset:${one}`);
  const made = preset === undefined ? offlineCounter(options) : presetSource(...preset, options);
  if ('problem' in made) throw new Misuse(made.problem);
  return made;
}

function offlineCounter(options: CounterOptions): ReturnType<typeof writtenSource> {
  const { failures, groupBy } = options;
  const { metric, withService, serviceLabel } = namedCounter(options);
  if (metric === '' || options.counter?.startsWith('preset:')) {
    const presets = Object.values(proposedPresets).map((one) => `preset:${one}`);
    return {
      problem: `there is no ${options.counter}. Write --counter ${presets.join(', ')}, or the name of a counter.`,
    };
  }
  if (failures === undefined || groupBy === undefined) {
    return {
      problem: `with --openapi nothing is asked, so --counter ${metric} needs --failures and --group-by, such as --failures 'code=~"5.."' --group-by method/route.`,
    };
  }
  const total = withService(serviceLabel ?? 'job');
  return 'problem' in total ? total : writtenSource('app', total, failures, groupBy);
}
