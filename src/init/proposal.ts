import { oneLine } from '../domain/outside-text.ts';
import { datadogDialect } from '../sources/datadog/query/dialect.ts';
import { statusOfOperation } from '../sources/datadog/query/tracer-operations.ts';
import { groupRoutes, type RouteGroup } from './group.ts';
import { type FoundRoute, type LeftOut, sortOut } from './routes.ts';

/** What a registry is proposed from. */
export interface ProposalInput {
  readonly service: string;
  readonly env: string;
  readonly operation: string;
  /** What remains to be checked about the operation, in one line. */
  readonly operationNote: string;
  readonly canaryNote: string;
  readonly routes: readonly FoundRoute[];
  /** Routes that an earlier step left out. */
  readonly leftOut: readonly LeftOut[];
  /** Where the routes come from: `the traffic of member-api in production over the last day`. */
  readonly from: string;
  /** The number of routes to propose, busiest first. */
  readonly top: number;
}

/** A CUJ cannot have more endpoints. */
const maxEndpoints = 500;
/** The most left-out routes that are listed in comments. */
const maxLeftOut = 20;

/** A registry to edit, as valid YAML with marked decisions. Undefined without any route. */
export function proposeRegistry(input: ProposalInput): string | undefined {
  const { kept, leftOut } = busiest(sortOut(input.routes, datadogDialect), input.top);
  if (kept.length === 0) return undefined;
  return proposalText({
    from: input.from,
    gate: [],
    sources: [],
    services: [
      `  ${quoted(input.service)}:`,
      `    env: ${quoted(input.env)}`,
      `    operation: ${input.operation} # ${comment(input.operationNote)}`,
      `    canary: "version:{version}" # ${comment(input.canaryNote)}`,
      ...failureLines(input.operation),
    ],
    cujs: groupRoutes(kept).flatMap((group) => cujLines(group, input.service)),
    leftOut: [...input.leftOut, ...leftOut],
  });
}

/** The parts of a proposal that depend on the backend, in lines of YAML. */
export interface ProposalParts {
  readonly from: string;
  /** More of `defaults`. */
  readonly gate: readonly string[];
  /** Under `sources`; empty without any. */
  readonly sources: readonly string[];
  readonly services: readonly string[];
  readonly cujs: readonly string[];
  readonly leftOut: readonly LeftOut[];
}

export function proposalText({ from, gate, sources, services, cujs, leftOut }: ProposalParts): string {
  const lines = [
    '# yaml-language-server: $schema=./registry.schema.json',
    '#',
    `# A PROPOSAL, made by cuj-gate init from ${comment(from)}.`,
    '# It contains no decisions, and can be tried as it is (mode: observe). Before it judges a release:',
    '#   1. Turn the groups into journeys: what does a user want to do? Rename, move, merge and delete. A name is',
    '#      never changed later, and an endpoint may be in several CUJs.',
    '#   2. Replace every CHANGE-ME with the team that owns the CUJ.',
    '#   3. Agree on the objectives. 99.9 is a placeholder, not a recommendation.',
    '#   4. Run cuj-gate validate and cuj-gate doctor; then change mode from observe to enforce, one CUJ at a time.',
    'apiVersion: cuj-gate/v1',
    '',
    'defaults:',
    '  slo: { window: 30d, availability: 99.9 } # in percent; agree on it with the owners',
    ...gate,
    '',
    ...(sources.length === 0 ? [] : ['sources:', ...sources, '']),
    'services:',
    ...services,
    '',
    'cujs:',
    ...cujs,
    ...leftOutLines(leftOut),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The routes that are proposed, busiest first, and all others with the reason. */
export function busiest(
  { routes, leftOut }: ReturnType<typeof sortOut>,
  top: number,
): { readonly kept: readonly FoundRoute[]; readonly leftOut: readonly LeftOut[] } {
  const rest = routes.slice(top).map(({ label, share }) => ({ label, share, why: 'less busy than --top' }));
  return { kept: routes.slice(0, top), leftOut: [...leftOut, ...rest] };
}

/** What counts as a failure, where the operation's requests have no status of HTTP. */
function failureLines(operation: string): string[] {
  const status = statusOfOperation(operation);
  if (status === 'grpc')
    return ['    failure: grpc # statuses that are the fault of the server; needs Agent 7.65 or later'];
  return status === 'none' ? ['    failure: errors # what the tracer marks as an error'] : [];
}

/** `note` says something about an endpoint, or nothing. */
export function cujLines(
  { name, routes, share }: RouteGroup,
  service: string,
  note: (route: FoundRoute) => string | undefined = () => undefined,
): string[] {
  const shown = routes.slice(0, maxEndpoints);
  return [
    `  - name: ${quoted(name)}${share === undefined ? '' : ` # ${percent(share)} of the traffic`}`,
    '    owner: CHANGE-ME',
    `    service: ${quoted(service)}`,
    '    mode: observe # judged and shown, never fails a rollout',
    '    endpoints:',
    ...shown.map((route) => {
      const notes = [route.share === undefined ? [] : percent(route.share), note(route) ?? []].flat();
      return `      - ${endpoint(route)}${notes.length === 0 ? '' : ` # ${notes.join('; ')}`}`;
    }),
    '',
  ];
}

function endpoint({ route, label, resource }: FoundRoute): string {
  return route === undefined ? `{ resource: ${JSON.stringify(resource)} }` : quoted(label);
}

function leftOutLines(leftOut: readonly LeftOut[]): string[] {
  if (leftOut.length === 0) return [];
  const busiest = [...leftOut].sort((a, b) => (b.share ?? 0) - (a.share ?? 0)).slice(0, maxLeftOut);
  const more = leftOut.length - busiest.length;
  return [
    '# Left out:',
    ...busiest.map(
      ({ label, share, why }) =>
        `#   ${comment(label)}${share === undefined ? '' : ` (${percent(share)})`}: ${comment(why)}`,
    ),
    ...(more > 0 ? [`#   and ${more} more`] : []),
  ];
}

/** A YAML scalar: plain if it is certain to be read as the same text. */
export function quoted(text: string): string {
  const plain =
    /^[A-Za-z/][\w ./:-]*$/.test(text) && !/:( |$)| $|^(y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

/** Text from outside in a comment: one line, without invisible characters. */
export function comment(text: string): string {
  return oneLine(text).slice(0, 200);
}

export function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(ratio >= 0.1 ? 3 : 2))}%`;
}
