import type { CujBudget, SliBudget } from '../../domain/ports/error-budget.ts';
import type { GivenChange, Reading } from '../../domain/ports/verdict-history.ts';
import { failureTextOn } from '../../domain/registry/endpoint-failures.ts';
import type { Cuj, Service } from '../../domain/registry/model.ts';
import { defaultFailureText, goodRequestsText } from '../../domain/sli/failure.ts';
import { endpointsCountedBy } from '../../domain/sli/kind.ts';
import { type SliName, sliKinds, sliNames } from '../../domain/sli/table.ts';
import { BudgetChart } from './charts/budget-chart.tsx';
import { Fact, Runbook, ScrollRegion } from './elements.tsx';
import { linkTo, type PageContext } from './page-context.ts';
import { endpointKey } from './page-ports.ts';
import {
  grouped,
  momentText,
  objectiveText,
  outcomeWords,
  ratioText,
  shortReason,
  valueText,
} from './page-text.ts';
import { pathOfRelease } from './release-path.ts';
import { BudgetBar } from './report-page.tsx';

export interface CujView {
  readonly cuj: Cuj;
  readonly services: readonly Service[];
  /** The sentence says why they are not known. */
  readonly budgets: CujBudget['slis'] | string;
  readonly changes: Reading<readonly GivenChange[]>;
  /** Requests of the last day by endpoint; undefined where they are not known. */
  readonly traffic: ReadonlyMap<string, number> | undefined;
  /** Parameters that a question needs. */
  readonly params: readonly string[];
  /** Set where it was asked for by an alias. */
  readonly aliasNote?: string;
}

/** One journey, for product people. */
export function CujPage({ context, view }: { context: PageContext; view: CujView }) {
  const { cuj, services, budgets, changes, params } = view;
  return (
    <>
      <h1>
        {cuj.title ?? cuj.name} <small>tier {cuj.tier}</small>
      </h1>
      {cuj.description !== undefined && <p class="sentence">{cuj.description}</p>}
      {view.aliasNote !== undefined && <p class="note">{view.aliasNote}</p>}
      <dl class="facts">
        <Fact label="Owner">{cuj.owner}</Fact>
        {cuj.runbook !== undefined && (
          <Fact label="Runbook">
            <Runbook text={cuj.runbook} />
          </Fact>
        )}
        <Fact label="Promised">
          {sliNames.flatMap((sli) => {
            const objective = cuj.objectives[sli];
            return objective === undefined
              ? []
              : [
                  <div key={sli}>
                    {objectiveText(objective.ratio)} of {sliKinds[sli].events} {goodText(view, sli)}, over{' '}
                    {cuj.sloWindow}
                  </div>,
                ];
          })}
        </Fact>
        {cuj.aliases !== undefined && <Fact label="Earlier names">{cuj.aliases.join(', ')}</Fact>}
        <Fact label="Mode">
          {cuj.mode === 'enforce'
            ? 'It stops a release that breaks it.'
            : 'It reports only, and never stops a release.'}
        </Fact>
      </dl>
      <section aria-labelledby="budget">
        <h2 id="budget">Error budget</h2>
        {typeof budgets === 'string' ? (
          <p class="note">{budgets}</p>
        ) : (
          [...budgets].map(([sli, budget]) => <Budget key={sli} cuj={cuj} sli={sli} budget={budget} />)
        )}
        {cuj.errorBudgetPolicy.length > 0 && (
          <>
            <h3>What is agreed</h3>
            <ul>
              {cuj.errorBudgetPolicy.map(({ below, action, gate }) => (
                <li key={action}>
                  Below {ratioText(below)}: {action}
                  {gate !== undefined && `; rollouts are then judged more strictly (rule ${gate})`}
                </li>
              ))}
            </ul>
          </>
        )}
      </section>
      <section aria-labelledby="releases">
        <h2 id="releases">Releases</h2>
        <Releases context={context} changes={changes} />
        <form
          class="ask"
          method="get"
          action={linkTo(context, `/cujs/${encodeURIComponent(cuj.name)}/status`)}
        >
          <p>Look at a canary:</p>
          {context.environment !== undefined && (
            // A browser replaces the query of the action by the fields.
            <input type="hidden" name="environment" value={context.environment} />
          )}
          {params.map((param) => (
            <label key={param}>
              {param} <input name={param} required maxLength={200} autocomplete="off" />
            </label>
          ))}
          <button type="submit">Show its verdict</button>
        </form>
      </section>
      <Endpoints view={view} />
      <section aria-labelledby="services">
        <h2 id="services">Services</h2>
        <ul>
          {services.map(({ name, env, tags, canary }) => (
            <li key={name}>
              {name} ({[env, ...(tags ?? []).map(({ key, value }) => `${key}:${value}`)].join(', ')}), canary{' '}
              <code>{canary.text}</code>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function goodText({ cuj: { endpoints }, services }: CujView, sli: (typeof sliNames)[number]): string {
  const kind = sliKinds[sli];
  if (kind.countsFailures) {
    const failures = endpointsCountedBy(kind, endpoints).map((endpoint) =>
      failureTextOn(endpoint, serviceOf(services, endpoint)),
    );
    return goodRequestsText(kind.goodRequests, failures);
  }
  if (!kind.needsThreshold) return kind.goodRequests;
  const limits = [
    ...new Set(endpoints.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]))),
  ];
  return limits.length === 1 ? `within ${limits[0]} ms` : 'within the threshold of their endpoint';
}

function Budget({ cuj, sli, budget }: { cuj: Cuj; sli: SliName; budget: SliBudget }) {
  const moments = budget.known ? (budget.moments ?? []) : [];
  return (
    <>
      <h3>{sli}</h3>
      {budget.known ? (
        <>
          <p>
            <BudgetBar remaining={budget.remaining} /> left of what{' '}
            {objectiveText(cuj.objectives[sli]?.ratio ?? 1)} allows over {cuj.sloWindow}. It was{' '}
            {valueText(budget.sli, cuj.objectives[sli]?.ratio ?? 1)}.
            {budget.recentBurn !== undefined && (
              <>
                {' '}
                In the last 7 days it burned at {Number(budget.recentBurn.toPrecision(2))} times the allowed
                rate.
              </>
            )}
          </p>
          {moments.length > 1 && <BudgetChart id={`budget-${sli}`} points={moments} />}
        </>
      ) : (
        <p class="note">Not known: {budget.why}.</p>
      )}
    </>
  );
}

const shownReleases = 20;

function Releases({ context, changes }: { context: PageContext; changes: CujView['changes'] }) {
  if (!changes.available) return <p class="note">Verdicts are not kept: {changes.unavailable}.</p>;
  const last = new Map<string, GivenChange>();
  for (const change of changes.value) {
    const key = pathOfRelease(change);
    if (!last.has(key) && last.size < shownReleases) last.set(key, change);
  }
  if (last.size === 0) return <p class="note">No verdict was kept yet.</p>;
  return (
    <ScrollRegion label="Releases">
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">Last change</th>
            <th scope="col">Canary</th>
            <th scope="col">Verdict</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {[...last].map(([path, { id, atMs, canary, verdict, summary }]) => (
            <tr key={id}>
              <td>{momentText(atMs)}</td>
              <th scope="row">
                <a href={linkTo(context, path)}>
                  <code>{canary}</code>
                </a>
              </th>
              <td>
                <span class={`badge ${verdict}`}>{outcomeWords[verdict]}</span>
              </td>
              <td>{shortReason({ summary })}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

const maxEndpoints = 100;

/** `all`: requests of the whole CUJ; 0 where they are not known. */
function trafficText(requests: number | undefined, all: number): string {
  if (requests === undefined) return 'unknown';
  return `${grouped(requests)}${all > 0 ? ` (${ratioText(requests / all)})` : ''}`;
}

function serviceOf(services: CujView['services'], endpoint: Cuj['endpoints'][number]): Service | undefined {
  return services.find(({ name }) => name === endpoint.service);
}

function Endpoints({ view: { cuj, services, traffic } }: { view: CujView }) {
  const keyOf = ({ service, resource }: Cuj['endpoints'][number]) => endpointKey(service, resource);
  // A backend may not tell: then no share of the whole is known.
  const all = cuj.endpoints.every((endpoint) => traffic?.has(keyOf(endpoint)))
    ? cuj.endpoints.reduce((sum, endpoint) => sum + (traffic?.get(keyOf(endpoint)) ?? 0), 0)
    : 0;
  const shown = cuj.endpoints.slice(0, maxEndpoints);
  const withFailures = cuj.endpoints.some(({ failure }) => failure !== undefined);
  return (
    <section aria-labelledby="endpoints">
      <h2 id="endpoints">Endpoints</h2>
      <ScrollRegion label="Endpoints">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Endpoint</th>
              <th scope="col">Service</th>
              <th scope="col">Threshold</th>
              {withFailures && <th scope="col">Fails by</th>}
              {traffic !== undefined && <th scope="col">Traffic, last day</th>}
            </tr>
          </thead>
          <tbody>
            {shown.map((endpoint) => (
              <tr key={keyOf(endpoint)}>
                <th scope="row">
                  <code>{endpoint.label === '*' ? 'all requests' : endpoint.label}</code>
                </th>
                <td>{endpoint.service}</td>
                <td>{endpoint.latencyMs === undefined ? '' : `${endpoint.latencyMs} ms`}</td>
                {withFailures && (
                  <td>{failureTextOn(endpoint, serviceOf(services, endpoint)) ?? defaultFailureText}</td>
                )}
                {traffic !== undefined && <td>{trafficText(traffic.get(keyOf(endpoint)), all)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {cuj.endpoints.length > shown.length && (
        <p class="note">
          {grouped(cuj.endpoints.length - shown.length)} more are at GET /cujs/{cuj.name}.
        </p>
      )}
    </section>
  );
}
