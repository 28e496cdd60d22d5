import type { VersionsOfService } from '../../domain/ports/release-history.ts';
import type { Reading, ReleaseInProgress } from '../../domain/ports/verdict-history.ts';
import type { Cuj } from '../../domain/registry/model.ts';
import { sliNames } from '../../domain/sli/table.ts';
import { ScrollRegion } from './elements.tsx';
import { linkTo, type PageContext, queryOf } from './page-context.ts';
import {
  clockText,
  grouped,
  momentText,
  objectiveText,
  outcomeWords,
  ratioText,
  shareText,
  shortReason,
  spanText,
  stableText,
} from './page-text.ts';
import { pathOfRelease } from './release-path.ts';

/** One release of the past, as the start page lists it. */
export interface RecentRelease {
  readonly service: string;
  readonly version: string;
  /** Epoch ms. */
  readonly firstMs: number;
  /** What was given last, where it was kept. */
  readonly outcome?: { readonly verdict: 'pass' | 'fail' | 'inconclusive'; readonly summary: string };
  /** The page of its last verdict. */
  readonly path: string | undefined;
}

export type RecentView =
  | { readonly state: 'not_asked' }
  | { readonly state: 'unavailable'; readonly why: string }
  | {
      readonly state: 'loaded';
      readonly days: number;
      readonly releases: readonly RecentRelease[];
      readonly omitted: number;
      readonly unknown: readonly Pick<VersionsOfService, 'service' | 'unknown'>[];
    };

export interface CujRow {
  readonly cuj: Cuj;
  /** The least share of the error budget that is left; undefined where it is not known. */
  readonly remaining: number | undefined;
  readonly last: { readonly verdict: 'pass' | 'fail' | 'inconclusive'; readonly atMs: number } | undefined;
}

export interface StartView {
  readonly environments: readonly string[];
  readonly inProgress: Reading<readonly ReleaseInProgress[]>;
  readonly recent: RecentView;
  readonly cujs: readonly CujRow[];
  readonly omittedCujs: number;
  /** Why budgets are not known, for people. */
  readonly budgetNote: string | undefined;
}

export function StartPage({ context, view }: { context: PageContext; view: StartView }) {
  return (
    <>
      <h1>Rollouts {view.environments.length > 0 && <small>{view.environments.join(', ')}</small>}</h1>
      <InProgress context={context} view={view} />
      <Recent context={context} recent={view.recent} />
      <Cujs context={context} view={view} />
    </>
  );
}

/** Questions about the same canary of the same service: a template asks for each CUJ, or for all of a service. */
interface CanaryInProgress {
  readonly service: string;
  /** Worst first. */
  readonly releases: readonly ReleaseInProgress[];
  readonly firstAskedMs: number;
  readonly lastAskedMs: number;
}

function byCanary(releases: readonly ReleaseInProgress[]): CanaryInProgress[] {
  const groups = new Map<string, ReleaseInProgress[]>();
  for (const release of releases) {
    const key = JSON.stringify([release.services[0], release.canary]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [release]);
    else group.push(release);
  }
  return [...groups.values()].map((group) => ({
    service: group[0]?.services[0] ?? '',
    releases: group,
    firstAskedMs: Math.min(...group.map(({ firstAskedMs }) => firstAskedMs)),
    lastAskedMs: Math.max(...group.map(({ lastAskedMs }) => lastAskedMs)),
  }));
}

function InProgress({ context, view: { inProgress } }: { context: PageContext; view: StartView }) {
  return (
    <section aria-labelledby="progress">
      <h2 id="progress">In progress</h2>
      {!inProgress.available ? (
        <p class="note">Not known: {inProgress.unavailable}.</p>
      ) : inProgress.value.length === 0 ? (
        <p class="note">No rollout asked in the last 10 minutes.</p>
      ) : (
        <ScrollRegion label="Rollouts in progress">
          <table class="stack">
            <thead>
              <tr>
                <th scope="col">Verdict</th>
                <th scope="col">Service</th>
                <th scope="col">Canary</th>
                <th scope="col">Asked</th>
                <th scope="col">Traffic</th>
                <th scope="col">Why</th>
              </tr>
            </thead>
            <tbody>
              {byCanary(inProgress.value).map((canary) => (
                <CanaryRow
                  key={canary.service + canary.releases[0]?.canary}
                  context={context}
                  canary={canary}
                />
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      )}
    </section>
  );
}

/** Questions of one canary that are named one by one. */
const shownQuestions = 12;

function CanaryRow({ context, canary }: { context: PageContext; canary: CanaryInProgress }) {
  const { service, releases, firstAskedMs, lastAskedMs } = canary;
  const [worst] = releases as [ReleaseInProgress];
  const { latest } = worst;
  const { service: _, ...params } = worst.about.params;
  const servicePath = `/services/${encodeURIComponent(service)}/status${queryOf(Object.entries(params))}`;
  return (
    <tr>
      <td>
        <span class={`badge ${latest.verdict}`}>{outcomeWords[latest.verdict]}</span>
      </td>
      <th scope="row">
        <a href={linkTo(context, servicePath)}>{service}</a>
      </th>
      <td>
        <code>{worst.canary}</code> <small>beside {stableText(worst.stable)}</small>
      </td>
      <td>
        for {spanText(lastAskedMs - firstAskedMs)}, last at {clockText(lastAskedMs)}
      </td>
      <td>{latest.canaryShare === undefined ? '' : ratioText(latest.canaryShare)}</td>
      <td>
        <a href={linkTo(context, pathOfRelease(worst))}>{worst.about.name}</a>: {shortReason(latest)}
        {releases.length > 1 && (
          <ul class="questions">
            {releases.slice(1, shownQuestions).map((release) => (
              <li key={release.about.kind + release.about.name}>
                <span class={`badge ${release.latest.verdict}`}>{outcomeWords[release.latest.verdict]}</span>{' '}
                <a href={linkTo(context, pathOfRelease(release))}>{release.about.name}</a>
              </li>
            ))}
            {releases.length > shownQuestions && (
              <li>and {grouped(releases.length - shownQuestions)} more</li>
            )}
          </ul>
        )}
      </td>
    </tr>
  );
}

function Recent({ context, recent }: { context: PageContext; recent: RecentView }) {
  return (
    <section aria-labelledby="recent">
      <h2 id="recent">Recent releases</h2>
      {recent.state === 'not_asked' && (
        <p>
          <a href={linkTo(context, '/?recent=7')} data-slow="Asking for the versions of the last 7 days">
            Show the releases of the last 7 days
          </a>{' '}
        </p>
      )}
      {recent.state === 'unavailable' && <p class="note">Not known: {recent.why}.</p>}
      {recent.state === 'loaded' && (
        <>
          {recent.releases.length === 0 ? (
            <p class="note">No version came new in the last {recent.days} days.</p>
          ) : (
            <ScrollRegion label="Recent releases">
              <table class="stack">
                <thead>
                  <tr>
                    <th scope="col">First request</th>
                    <th scope="col">Service</th>
                    <th scope="col">Version</th>
                    <th scope="col">Last verdict</th>
                  </tr>
                </thead>
                <tbody>
                  {recent.releases.map((release) => (
                    <tr key={`${release.service} ${release.version}`}>
                      <td>{momentText(release.firstMs)}</td>
                      <td>{release.service}</td>
                      <th scope="row">
                        {release.path === undefined ? (
                          <code>{release.version}</code>
                        ) : (
                          <a href={linkTo(context, release.path)}>
                            <code>{release.version}</code>
                          </a>
                        )}
                      </th>
                      <td>
                        {release.outcome === undefined ? (
                          <small>not kept; follow the version to recompute it</small>
                        ) : (
                          <>
                            <span class={`badge ${release.outcome.verdict}`}>
                              {outcomeWords[release.outcome.verdict]}
                            </span>{' '}
                            {shortReason(release.outcome)}
                          </>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </ScrollRegion>
          )}
          {recent.omitted > 0 && <p class="note">{grouped(recent.omitted)} older releases are not shown.</p>}
          {recent.unknown.map(({ service, unknown }) => (
            <p key={service} class="note">
              {service}: {unknown}.
            </p>
          ))}
        </>
      )}
    </section>
  );
}

function Cujs({
  context,
  view: { cujs, omittedCujs, budgetNote },
}: {
  context: PageContext;
  view: StartView;
}) {
  return (
    <section aria-labelledby="cujs">
      <h2 id="cujs">Critical User Journeys</h2>
      <ScrollRegion label="Critical User Journeys">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">CUJ</th>
              <th scope="col">Owner</th>
              <th scope="col">Tier</th>
              <th scope="col">SLO</th>
              <th scope="col">Error budget left</th>
              <th scope="col">Last verdict</th>
            </tr>
          </thead>
          <tbody>
            {cujs.map(({ cuj, remaining, last }) => (
              <tr key={cuj.name}>
                <th scope="row">
                  <a href={linkTo(context, `/cujs/${encodeURIComponent(cuj.name)}`)}>
                    {cuj.title ?? cuj.name}
                  </a>
                  {cuj.mode === 'observe' && <small> reports only</small>}
                </th>
                <td>{cuj.owner}</td>
                <td>{cuj.tier}</td>
                <td>{objectivesText(cuj)}</td>
                <td class={remaining !== undefined && remaining < 0 ? 'overspent' : undefined}>
                  {remaining === undefined ? 'unknown' : shareText(Math.max(-9.99, remaining))}
                </td>
                <td>
                  {last === undefined ? (
                    ''
                  ) : (
                    <>
                      <span class={`badge ${last.verdict}`}>{outcomeWords[last.verdict]}</span>{' '}
                      <small>{momentText(last.atMs)}</small>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {omittedCujs > 0 && <p class="note">{grouped(omittedCujs)} more CUJs are at GET /cujs.</p>}
      {budgetNote !== undefined && <p class="note">{budgetNote}</p>}
    </section>
  );
}

/** `availability 99.95%, latency 99%`. */
export function objectivesText(cuj: Cuj): string {
  return sliNames
    .flatMap((sli) => {
      const objective = cuj.objectives[sli];
      return objective === undefined ? [] : [`${sli} ${objectiveText(objective.ratio)}`];
    })
    .join(', ');
}
