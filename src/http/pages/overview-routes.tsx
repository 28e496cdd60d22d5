import type { FastifyReply, FastifyRequest } from 'fastify';
import { ceilTo, floorTo, hourMs } from '../../domain/duration.ts';
import { CallerError, SourceError } from '../../domain/errors.ts';
import { compareJudged } from '../../domain/judge/outcome.ts';
import { aliasNoteOf } from '../../domain/judge/retired-verdict.ts';
import { paramsOf } from '../../domain/metrics/evaluation-request.ts';
import type { CujBudget } from '../../domain/ports/error-budget.ts';
import type { VersionsOfService } from '../../domain/ports/release-history.ts';
import type { GivenChange, Reading, ReleaseInProgress } from '../../domain/ports/verdict-history.ts';
import { type Cuj, namesOf, type Registry, type Service } from '../../domain/registry/model.ts';
import { findCuj } from '../../evaluation/evaluator.ts';
import { type BudgetReport, budgetReport } from '../../report/report.ts';
import type { AppPorts } from '../server/ports.ts';
import { type Query, refuseUnknown } from '../status/query-params.ts';
import { CujPage } from './cuj-page.tsx';
import { keepReads } from './kept-reads.ts';
import { inEnvironment } from './page-context.ts';
import type { PageResponder } from './page-responder.ts';
import { permalinkOf } from './permalink.ts';
import { pathOfRelease, servicesOfQuestion } from './release-path.ts';
import { ReportPage } from './report-page.tsx';
import { RetiredPage, retiredTitle } from './retired-page.tsx';
import { type CujRow, type RecentRelease, type RecentView, StartPage } from './start-page.tsx';

const dayMs = 24 * hourMs;
/** Budgets cover weeks: those of some minutes ago are as good. */
const budgetsForMs = 15 * 60_000;
const versionsForMs = 5 * 60_000;
/** A registry may have thousands of CUJs, and each objective is a call. */
const maxBudgets = 50;
const maxRows = 200;
const maxReleases = 50;
const maxDays = 30;
const blockedDays = 14;

/** The pages that are about more than one verdict. */
export function createOverviewPages(ports: AppPorts, responder: PageResponder) {
  const { history } = ports;
  const { pagePorts } = responder;
  // A browser can ask for these pages as often as it likes: the backend is asked once in a while.
  const budgets = keepReads<readonly CujBudget[]>(ports.now, { forMs: budgetsForMs, max: 100 });
  const traffics = keepReads<ReadonlyMap<string, number>>(ports.now, { forMs: budgetsForMs, max: 200 });
  const versions = keepReads<readonly VersionsOfService[]>(ports.now, { forMs: versionsForMs, max: maxDays });

  /** The budgets of some CUJs, or a sentence that says why they are not known. */
  async function budgetsOf(
    digest: string,
    cujs: readonly Cuj[],
    signal: AbortSignal,
  ): Promise<readonly CujBudget[] | string> {
    const { readBudgets } = pagePorts;
    if (readBudgets === undefined) return 'Error budgets are not known: the backend has none.';
    const key = `${digest} ${cujs.map(({ name }) => name).join()}`;
    try {
      return await budgets(key, () => readBudgets(cujs, floorTo(ports.now(), budgetsForMs), signal));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return `Error budgets could not be read (${error.code}): ${error.message}.`;
    }
  }

  /** Requests of the last day by endpoint. What cannot be read is left out: it decides nothing. */
  async function trafficOf(
    digest: string,
    cuj: Cuj,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, number> | undefined> {
    const { readTraffic } = pagePorts;
    if (readTraffic === undefined) return undefined;
    const toMs = floorTo(ports.now(), hourMs);
    try {
      return await traffics(`${digest} ${cuj.name}`, () => readTraffic(cuj, toMs - dayMs, toMs, signal));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return undefined;
    }
  }

  const notKept = { available: false, unavailable: 'verdicts are not kept (CUJ_GATE_HISTORY_PATH)' } as const;

  async function changesOf(query: {
    readonly cuj?: string;
    readonly days: number;
  }): Promise<Reading<readonly GivenChange[]>> {
    if (history === undefined) return notKept;
    const toMs = ports.now();
    const { days, ...of } = query;
    const read = await history.changes({ ...of, fromMs: toMs - days * dayMs, toMs, max: 200 });
    return read.available ? { available: true, value: read.value.changes } : read;
  }

  /** Also what was given under its earlier names. The newest first. */
  async function changesOfCuj(cuj: Cuj, days: number): Promise<Reading<readonly GivenChange[]>> {
    const all = await Promise.all(namesOf(cuj).map((name) => changesOf({ cuj: name, days })));
    const value: GivenChange[] = [];
    for (const one of all) {
      if (!one.available) return one;
      value.push(...one.value);
    }
    return { available: true, value: value.sort((a, b) => b.atMs - a.atMs) };
  }

  function readDays(request: FastifyRequest): number | undefined {
    const query = request.query as Query;
    if (query.mistake !== undefined) throw query.mistake;
    refuseUnknown(query.values.keys(), ['recent'], 'query');
    const text = query.values.get('recent');
    if (text === undefined) return undefined;
    const days = /^[1-9]\d?$/.test(text) ? Number(text) : Number.NaN;
    if (!(days <= maxDays)) {
      throw new CallerError(
        'invalid_request',
        `recent="${text.slice(0, 20)}" is not a number of days from 1 to ${maxDays}.`,
        'Use /?recent=7.',
        { parameter: 'recent' },
      );
    }
    return days;
  }

  async function recentOf(
    days: number | undefined,
    changes: Reading<readonly GivenChange[]>,
    signal: AbortSignal,
  ): Promise<RecentView> {
    if (days === undefined) return { state: 'not_asked' };
    const { readVersions } = pagePorts;
    if (readVersions === undefined) return { state: 'unavailable', why: 'the backend knows no versions' };
    const { registry } = responder.registryState();
    const toMs = ceilTo(ports.now(), hourMs);
    let services: readonly VersionsOfService[];
    try {
      services = await versions(`${registry.digest} ${days}`, () =>
        readVersions([...registry.batchOfService.keys()], toMs - days * dayMs, toMs, signal),
      );
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return {
        state: 'unavailable',
        why: `the backend could not be asked (${error.code}): ${error.message}`,
      };
    }
    const given = changes.available ? changes.value : [];
    const releases = services.flatMap(({ service, versions, param }) =>
      versions
        .filter(({ isOlder }) => !isOlder)
        .map(({ version, firstMs }): RecentRelease => {
          const outcome = worstOf(given, registry, service, version);
          const of = registry.services.get(service) as Service;
          return {
            service,
            version,
            firstMs,
            ...(outcome === undefined ? {} : { outcome }),
            path:
              param === undefined
                ? undefined
                : permalinkOf(
                    'r',
                    service,
                    [of],
                    new Map([[param, version]]),
                    outcome && ceilTo(outcome.atMs, 1_000),
                  ),
          };
        }),
    );
    releases.sort((a, b) => b.firstMs - a.firstMs);
    return {
      state: 'loaded',
      days,
      releases: releases.slice(0, maxReleases),
      omitted: Math.max(0, releases.length - maxReleases),
      unknown: services.filter(({ unknown }) => unknown !== undefined),
    };
  }

  return {
    async start(request: FastifyRequest, reply: FastifyReply) {
      const days = readDays(request);
      const { registry } = responder.registryState();
      const cujs = [...registry.cujs.values()];
      const shown = cujs.slice(0, maxRows);
      const withBudget = [...shown].sort((a, b) => a.tier - b.tier).slice(0, maxBudgets);
      const made = await responder.within(request, async (signal) => {
        const [inProgress, changes, known] = await Promise.all([
          history?.inProgress() ?? notKept,
          changesOf({ days: maxDays }),
          budgetsOf(registry.digest, withBudget, signal),
        ]);
        return { inProgress, changes, known, recent: await recentOf(days, changes, signal) };
      });
      const { inProgress, changes, known, recent } = made;
      const remaining = new Map<string, number | null>(
        typeof known === 'string'
          ? []
          : budgetReport(registry.digest, known, ports.now()).cujs.map((one) => [one.cuj, one.remaining]),
      );
      const last = new Map<string, GivenChange>();
      for (const change of changes.available ? changes.value : []) {
        const name = registry.aliases.get(change.about.name) ?? change.about.name;
        if (change.about.kind === 'cuj' && !last.has(name)) last.set(name, change);
      }
      const rows = shown.map(
        (cuj): CujRow => ({
          cuj,
          remaining: remaining.get(cuj.name) ?? undefined,
          last: last.get(cuj.name),
        }),
      );
      return responder.send(request, reply, {
        title: 'Rollouts - cuj-gate',
        refreshes: days === undefined,
        children: (
          <StartPage
            context={responder.context(request)}
            view={{
              environments: [...new Set([...registry.services.values()].map(({ env }) => env))].sort(),
              inProgress: inProgress.available
                ? { ...inProgress, value: presentReleases(registry, inProgress.value) }
                : inProgress,
              recent,
              cujs: rows,
              omittedCujs: cujs.length - shown.length,
              budgetNote: typeof known === 'string' ? known : undefined,
            }}
          />
        ),
      });
    },

    async cuj(request: FastifyRequest, reply: FastifyReply) {
      refuseUnknown((request.query as Query).values.keys(), [], 'query');
      const { registry } = responder.registryState();
      const askedAs = (request.params as { name: string }).name;
      const cuj = findCuj(registry, askedAs);
      const aliasNote = aliasNoteOf(cuj, askedAs);
      if (cuj.retired !== undefined) {
        return responder.send(request, reply, {
          title: retiredTitle(cuj),
          children: (
            <RetiredPage
              cuj={cuj}
              registryDigest={registry.digest}
              params={new Map()}
              question={responder.absolute(
                request,
                inEnvironment(registry.environment, `/cujs/${encodeURIComponent(cuj.name)}/status`),
              )}
              aliasNote={aliasNote}
            />
          ),
        });
      }
      const services = cuj.services.map((name) => registry.services.get(name) as Service);
      const made = await responder.within(request, async (signal) => {
        const [known, changes, traffic] = await Promise.all([
          budgetsOf(registry.digest, [cuj], signal),
          changesOfCuj(cuj, 90),
          trafficOf(registry.digest, cuj, signal),
        ]);
        return {
          budgets: typeof known === 'string' ? known : (known[0] as CujBudget).slis,
          changes,
          traffic,
        };
      });
      return responder.send(request, reply, {
        title: `${cuj.title ?? cuj.name} - cuj-gate`,
        children: (
          <CujPage
            context={responder.context(request)}
            view={{
              cuj,
              services,
              ...made,
              params: paramsOf(services).required,
              ...(aliasNote === undefined ? {} : { aliasNote }),
            }}
          />
        ),
      });
    },

    async report(request: FastifyRequest, reply: FastifyReply) {
      refuseUnknown((request.query as Query).values.keys(), [], 'query');
      const { registry } = responder.registryState();
      const all = [...registry.cujs.values()].sort((a, b) => a.tier - b.tier);
      const cujs = all.slice(0, maxBudgets);
      const made = await responder.within(request, async (signal) => {
        const [known, changes] = await Promise.all([
          budgetsOf(registry.digest, cujs, signal),
          changesOf({ days: blockedDays }),
        ]);
        return { known, changes };
      });
      const { known, changes } = made;
      const report: BudgetReport =
        typeof known === 'string'
          ? budgetReport(
              registry.digest,
              cujs.map((cuj) => unknownBudget(cuj, known)),
              ports.now(),
            )
          : budgetReport(registry.digest, known, ports.now());
      return responder.send(request, reply, {
        title: 'Error budgets - cuj-gate',
        children: (
          <ReportPage
            context={responder.context(request)}
            view={{
              report,
              blocked: changes.available
                ? {
                    available: true,
                    value: changes.value.filter(({ verdict }) => verdict === 'fail').slice(0, 50),
                  }
                : changes,
              blockedDays,
              omitted: all.length - cujs.length,
            }}
          />
        ),
      });
    },
  };
}

/** Without what was asked about a retired CUJ before, and each release once, also where its CUJ was renamed meanwhile. */
function presentReleases(
  { aliases, retired }: Registry,
  releases: readonly ReleaseInProgress[],
): readonly ReleaseInProgress[] {
  const paths = new Set(releases.map(pathOfRelease));
  return releases.filter(({ about }) => {
    if (about.kind !== 'cuj') return true;
    const name = aliases.get(about.name) ?? about.name;
    return (
      !retired.has(name) && (name === about.name || !paths.has(pathOfRelease({ about: { ...about, name } })))
    );
  });
}

/** The worst of what was said last about the service's CUJs, or about the service, with this version. */
function worstOf(
  changes: readonly GivenChange[],
  registry: Registry,
  service: string,
  version: string,
): GivenChange | undefined {
  const last = new Map<string, GivenChange>();
  for (const change of changes) {
    const { kind, name, params } = change.about;
    const isAbout =
      servicesOfQuestion(registry, change.about).includes(service) && Object.values(params).includes(version);
    const key = `${kind} ${name}`;
    if (isAbout && !last.has(key)) last.set(key, change);
  }
  return [...last.values()].sort(compareJudged)[0];
}

function unknownBudget(cuj: Cuj, why: string): CujBudget {
  const slis = Object.keys(cuj.objectives) as (keyof Cuj['objectives'])[];
  return { cuj, slis: new Map(slis.map((sli) => [sli, { known: false, why: why.replace(/\.$/, '') }])) };
}
