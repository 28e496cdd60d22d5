import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { aliasNoteOf } from '../../domain/judge/retired-verdict.ts';
import {
  type EvaluationRequest,
  readMoment,
  resolveRequest,
} from '../../domain/metrics/evaluation-request.ts';
import { readMeasurement } from '../../domain/metrics/measurement-json.ts';
import type { SourceLink } from '../../domain/ports/source-links.ts';
import type { AskedAbout, GivenLook, GivenRecord } from '../../domain/ports/verdict-history.ts';
import { type AskedBackends, askedBackends } from '../../domain/registry/backend-words.ts';
import { type Cuj, cujCalled, namesOf, type Registry, type Service } from '../../domain/registry/model.ts';
import {
  type AsOf,
  type Evaluation,
  findCuj,
  type ServiceEvaluation,
  serviceNotFound,
} from '../../evaluation/evaluator.ts';
import type { AppPorts } from '../server/ports.ts';
import { endOfLook, mayAskForPast, refuseUnknownCaller } from '../status/past.ts';
import {
  ownOfCuj,
  ownOfService,
  type Question,
  readQuestion,
  readRetiredQuestion,
} from '../status/question.ts';
import { createVerdictLinks } from '../status/verdict-link.ts';
import { inEnvironment, queryOf } from './page-context.ts';
import type { PageResponder } from './page-responder.ts';
import { clockText, dayText, isUnknownCanary, outcomeWords, sentenceOf, shortReason } from './page-text.ts';
import type { PastView } from './past-note.tsx';
import { paramsOfPermalink } from './permalink.ts';
import { pathOfRelease, servicesOfQuestion } from './release-path.ts';
import { RetiredPage, retiredTitle } from './retired-page.tsx';
import { ServicePage, serviceTitle } from './service-page.tsx';
import type { FailingQuestion, SiblingsView } from './siblings.tsx';
import { VerdictPage, verdictTitle } from './verdict-page.tsx';
import { verdictTrend } from './verdict-trend.ts';

/** The header by which the script of a page asks for what is kept, and for nothing that the backend would have to be asked for. */
const refreshHeader = 'x-cuj-gate-refresh';

/** Of answers without a body, which are not sent by `respond`. */
const notKept = { 'cache-control': 'no-store', vary: 'Accept' } as const;

const maxSiblings = 5;
/** Answers about the same release are given within minutes of each other. */
const nearMs = 30 * 60_000;

/** A moment in the past that a page is about. */
interface Moment {
  /** Epoch ms. */
  readonly atMs: number;
  /** The answer that was kept last before it; undefined where none was. */
  readonly given: GivenRecord | undefined;
  /** Whether this caller may have it recomputed. */
  readonly mayRecompute: boolean;
}

type Shown = Pick<Evaluation, 'cuj' | 'verdict' | 'options' | 'measurement' | 'queries'>;

/** The pages at the addresses of the two routes that Argo asks. */
export function createVerdictPages(ports: AppPorts, responder: PageResponder) {
  const { evaluator, history } = ports;
  const { pagePorts } = responder;
  const links = createVerdictLinks(ports);

  async function looksOf(about: AskedAbout): Promise<readonly GivenLook[] | string> {
    if (history === undefined) return 'Answers are not noted.';
    const looks = await history.looksOf(about);
    return looks.available ? looks.value : `Not known: ${looks.unavailable}.`;
  }

  function linksOf(registry: Registry, request: EvaluationRequest, verdict: Verdict): readonly SourceLink[] {
    const cuj = findCuj(registry, request.cuj);
    if (cuj.retired !== undefined) return [];
    const { selectors, services } = resolveRequest(registry, cuj, request);
    const worst = verdict.slis[0]?.endpoints[0];
    const about = services.find(({ name }) => name === worst?.service) ?? services[0];
    const canary = about === undefined ? undefined : selectors.get(about.name)?.canary;
    if (about === undefined || canary === undefined) return [];
    const toMs = verdict.window === undefined ? ports.now() : Date.parse(verdict.window.to);
    const fromMs = verdict.window === undefined ? toMs - 30 * 60_000 : Date.parse(verdict.window.from);
    const resource = worst === undefined || worst.bad === 0 ? undefined : worst.resource;
    const endpoint = cuj.endpoints.find(
      (one) => one.service === about.name && (resource === undefined || one.resource === resource),
    );
    return pagePorts.links({
      service: about,
      canary,
      ...(resource === undefined ? {} : { resource }),
      failure: endpoint?.failure,
      fromMs,
      toMs: Math.max(toMs, fromMs + 60_000),
    });
  }

  /** What is known of other questions about the service, at a moment or now. */
  async function siblingsOf(
    registry: Registry,
    about: AskedAbout,
    verdict: Pick<Verdict, 'canary' | 'services' | 'noDataCause'>,
    atMs: number | undefined,
  ): Promise<SiblingsView> {
    const { canary, services } = verdict;
    const asked = atMs === undefined ? await history?.inProgress() : undefined;
    const releases = asked?.available === true ? asked.value : [];
    const isOwn = (other: AskedAbout) => pathOfRelease({ about: other }) === pathOfRelease({ about });
    const ofService = releases.filter((one) => one.services.some((name) => services.includes(name)));
    const failing =
      atMs === undefined
        ? ofService.flatMap((one) =>
            one.canary === canary && one.latest.verdict === 'fail' && !isOwn(one.about)
              ? [failingOf(registry, one.about, one.latest, undefined)]
              : [],
          )
        : await failedNear(registry, { canary, services }, atMs, isOwn);
    const isUnknown = isUnknownCanary(verdict);
    const others = new Map(
      isUnknown
        ? ofService
            .filter(
              (one) =>
                one.canary !== canary && one.about.kind === about.kind && one.about.name === about.name,
            )
            .map((one) => [one.canary, { canary: one.canary, path: pathOfRelease(one) }])
        : [],
    );
    return { failing: failing.slice(0, maxSiblings), others: [...others.values()].slice(0, maxSiblings) };
  }

  /** Fails of the same canary that were kept within half an hour of a moment. */
  async function failedNear(
    registry: Registry,
    { canary, services }: Pick<Verdict, 'canary' | 'services'>,
    atMs: number,
    isOwn: (about: AskedAbout) => boolean,
  ) {
    const span = { fromMs: atMs - nearMs, toMs: atMs + nearMs, max: 200 };
    const read = history?.keepsChanges === true ? await history.changes(span) : undefined;
    const failed = new Map<string, FailingQuestion>();
    for (const change of read?.available === true ? read.value.changes : []) {
      const isLater = change.atMs > atMs;
      if (!servicesOfQuestion(registry, change.about).some((name) => services.includes(name))) continue;
      if (change.canary !== canary || change.verdict !== 'fail' || (isOwn(change.about) && !isLater))
        continue;
      failed.set(pathOfRelease(change), {
        ...failingOf(registry, change.about, change, change.atMs),
        ...(isLater ? { laterMs: change.atMs } : {}),
      });
    }
    return [...failed.values()];
  }

  const isRefresh = (request: FastifyRequest) => request.headers[refreshHeader] !== undefined;
  /** With an aborted signal, the backend is not asked: what is kept is judged. */
  const signalFor = (request: FastifyRequest, signal: AbortSignal) =>
    isRefresh(request) ? AbortSignal.abort() : signal;
  const nothingNewer = (reply: FastifyReply) => reply.code(204).headers(notKept).send();

  function servicesOf(registry: Registry, names: readonly string[]): Service[] {
    return names.map((name) => registry.services.get(name) as Service);
  }

  /** The moment that a question names, with what was kept of it. Throws CallerError where the caller may see neither. */
  async function momentOf(
    request: FastifyRequest,
    { at }: Question,
    about: AskedAbout,
    asked: AskedBackends,
  ): Promise<Moment | undefined> {
    if (at === undefined) return undefined;
    const atMs = readMoment(at, ports.now(), asked);
    const given = await givenAt(about, atMs);
    const mayRecompute = mayAskForPast(ports, request);
    if (given === undefined) refuseUnknownCaller(ports, request);
    return { atMs, given, mayRecompute };
  }

  /** The answer that was kept last before a moment, also under an earlier name of the CUJ. */
  async function givenAt(about: AskedAbout, atMs: number): Promise<GivenRecord | undefined> {
    if (history?.keepsChanges !== true) return undefined;
    const { registry } = responder.registryState();
    const cuj = about.kind === 'cuj' ? cujCalled(registry, about.name) : undefined;
    const names = cuj === undefined ? [about.name] : namesOf(cuj);
    const kept = await Promise.all(names.map((name) => history.givenAt({ ...about, name }, atMs)));
    return kept
      .flatMap((one) => (one.available && one.value !== undefined ? [one.value] : []))
      .sort((a, b) => b.atMs - a.atMs)[0];
  }

  async function asOf(about: AskedAbout, moment: Moment | undefined): Promise<AsOf> {
    if (moment === undefined) return {};
    const untilMs = await endOfLook(history, about, moment.atMs);
    return { atMs: moment.atMs, ...(untilMs === undefined ? {} : { untilMs }) };
  }

  function redirect(reply: FastifyReply, path: string): FastifyReply {
    const { registry } = responder.registryState();
    const location = `${pagePorts.basePath}${inEnvironment(registry.environment, path)}`;
    return reply.code(302).headers(notKept).header('location', location).send();
  }

  return {
    async verdictOfCuj(request: FastifyRequest, reply: FastifyReply) {
      const { registry } = responder.registryState();
      const askedAs = (request.params as { name: string }).name;
      const cuj = findCuj(registry, askedAs);
      const services = servicesOf(registry, cuj.services);
      const question =
        cuj.retired === undefined
          ? readQuestion(request, services, ownOfCuj, cuj.name)
          : readRetiredQuestion(request, cuj);
      const { evaluationRequest } = question;
      const aliasNote = aliasNoteOf(cuj, askedAs);
      const retired = () =>
        responder.send(request, reply, {
          title: retiredTitle(cuj),
          children: (
            <RetiredPage
              cuj={cuj}
              registryDigest={registry.digest}
              params={evaluationRequest.params}
              question={responder.absolute(request, nowPathOf(request))}
              aliasNote={aliasNote}
            />
          ),
        });
      if (cuj.retired !== undefined && question.at === undefined) return retired();
      const { params, service } = evaluationRequest;
      const about: AskedAbout = {
        kind: 'cuj',
        name: cuj.name,
        params: Object.fromEntries(params),
        ...(service === undefined ? {} : { service }),
      };
      const made = await responder.within(request, async (signal) => {
        const moment = await momentOf(request, question, about, askedBackends(registry, cuj.services));
        const kept = moment?.given === undefined ? undefined : keptOf(moment.given, cuj);
        const evaluation =
          moment === undefined || moment.mayRecompute
            ? await evaluator.cuj(
                { ...evaluationRequest, ...(await asOf(about, moment)) },
                signalFor(request, signal),
              )
            : undefined;
        const shown: Shown | undefined = isNewer(moment, kept, evaluation)
          ? evaluation
          : (kept ?? evaluation);
        if (shown === undefined || (shown.measurement === undefined && isRefresh(request))) return undefined;
        const [trend, looks, siblings] = await Promise.all([
          verdictTrend(shown),
          looksOf(about),
          siblingsOf(registry, about, shown.verdict, moment?.atMs),
        ]);
        return {
          shown,
          trend,
          looks,
          siblings,
          past: moment && pastView(moment, kept?.verdict, evaluation?.verdict),
        };
      });
      if (made === undefined) return nothingNewer(reply);
      const { shown, trend, looks, siblings, past } = made;
      const { verdict, measurement } = shown;
      // What was given before it was retired is shown as it was given.
      if (verdict.services.length === 0) return retired();
      return responder.send(request, reply, {
        title: verdictTitle(shown),
        refreshes: past === undefined,
        children: (
          <VerdictPage
            context={responder.context(request)}
            view={{
              cuj: shown.cuj,
              verdict,
              options: shown.options,
              ...(measurement === undefined ? {} : { measurement }),
              trend,
              looks,
              queries: shown.queries,
              links: linksOf(registry, evaluationRequest, verdict),
              question: responder.absolute(request, nowPathOf(request)),
              nowPath: nowPathOf(request),
              servicePath: `/services/${encodeURIComponent(verdict.services[0] ?? '')}/status${queryOf([
                ...params,
                ...(past === undefined ? [] : moment(new Date(past.atMs).toISOString())),
              ])}`,
              siblings,
              ...(aliasNote === undefined ? {} : { aliasNote }),
              permalink: links.path(about, past?.atMs),
              ...(past === undefined ? {} : { past }),
            }}
          />
        ),
      });
    },

    async verdictOfService(request: FastifyRequest, reply: FastifyReply) {
      const { registry } = responder.registryState();
      const name = (request.params as { service: string }).service;
      const service = registry.services.get(name);
      if (service === undefined) throw serviceNotFound(registry, name);
      const question = readQuestion(request, [service], ownOfService, '*');
      const { cuj: _, ...part } = question.evaluationRequest;
      const about: AskedAbout = { kind: 'service', name, params: Object.fromEntries(part.params) };
      const made = await responder.within(request, async (signal) => {
        const moment = await momentOf(request, question, about, askedBackends(registry, [name]));
        const kept = moment?.given?.given as ServiceVerdict | undefined;
        const evaluation: ServiceEvaluation | undefined =
          moment === undefined || moment.mayRecompute
            ? await evaluator.service(
                { ...part, service: name, ...(await asOf(about, moment)) },
                signalFor(request, signal),
              )
            : undefined;
        const verdict = kept ?? evaluation?.verdict;
        const evaluations = evaluation?.evaluations ?? [];
        if (verdict === undefined) return undefined;
        if (isRefresh(request) && !evaluations.some(({ measurement }) => measurement !== undefined))
          return undefined;
        return {
          verdict,
          evaluations,
          looks: await looksOf(about),
          moment,
          past: moment && pastView(moment, kept, evaluation?.verdict),
        };
      });
      if (made === undefined) return nothingNewer(reply);
      const { verdict, evaluations, looks, moment, past } = made;
      const decisive = evaluations.find((one) => one.verdict.cuj === verdict.cujs[0]?.cuj);
      const ofCuj: [string, string][] = [
        ...part.params,
        ['service', name],
        ...(moment === undefined
          ? []
          : [['at', new Date(moment.atMs).toISOString()] satisfies [string, string]]),
      ];
      return responder.send(request, reply, {
        title: serviceTitle({ verdict }),
        refreshes: past === undefined,
        children: (
          <ServicePage
            context={responder.context(request)}
            view={{
              verdict,
              sentence: decisive === undefined ? '' : sentenceOf(decisive.verdict, decisive.cuj.gate),
              cujs: registry.cujs,
              pathOf: (cuj) => `/cujs/${encodeURIComponent(cuj)}/status${queryOf(ofCuj)}`,
              question: responder.absolute(request, nowPathOf(request)),
              nowPath: nowPathOf(request),
              permalink: links.path(about, past?.atMs),
              looks,
              ...(past === undefined ? {} : { past }),
            }}
          />
        ),
      });
    },

    async cujLink(request: FastifyRequest, reply: FastifyReply) {
      const { registry } = responder.registryState();
      const { name, canary, at } = request.params as { name: string; canary: string; at?: string };
      const { services, retired } = findCuj(registry, name);
      // A retired CUJ took what the services still take, as a rule.
      const of = retired === undefined ? servicesOf(registry, services) : [firstService(registry)];
      const params = paramsOfPermalink(of, canary);
      return redirect(
        reply,
        `/cujs/${encodeURIComponent(name)}/status${queryOf([...params, ...moment(at)])}`,
      );
    },

    async serviceLink(request: FastifyRequest, reply: FastifyReply) {
      const { registry } = responder.registryState();
      const { name, canary, at } = request.params as { name: string; canary: string; at?: string };
      const service = registry.services.get(name);
      if (service === undefined) throw serviceNotFound(registry, name);
      const params = paramsOfPermalink([service], canary);
      return redirect(
        reply,
        `/services/${encodeURIComponent(name)}/status${queryOf([...params, ...moment(at)])}`,
      );
    },
  };
}

/** Any service, for a CUJ that no longer has one. */
function firstService({ services }: Registry): Service {
  return services.values().next().value as Service;
}

/** The same question without a moment in the past. */
function nowPathOf({ url }: FastifyRequest): string {
  const [path = '', query = ''] = url.split('?', 2);
  const params = query.split('&').filter((piece) => piece !== '' && !piece.startsWith('at='));
  return `${path}${params.length === 0 ? '' : `?${params.join('&')}`}`;
}

function failingOf(
  registry: Registry,
  about: AskedAbout,
  { summary }: Pick<Verdict, 'summary'>,
  atMs: number | undefined,
): FailingQuestion {
  const path = pathOfRelease({ about });
  // A moment names the answer that was given last before it.
  const at =
    atMs === undefined ? '' : `${path.includes('?') ? '&' : '?'}at=${new Date(atMs + 1_000).toISOString()}`;
  const cuj = about.kind === 'cuj' ? cujCalled(registry, about.name) : undefined;
  return {
    title: cuj === undefined ? about.name : `${cuj.title ?? cuj.name} (${cuj.services.join(', ')})`,
    path: `${path}${at}`,
    reason: shortReason({ summary }),
    ...(cuj === undefined ? {} : { owner: cuj.owner }),
    ...(cuj?.runbook === undefined ? {} : { runbook: cuj.runbook }),
  };
}

function moment(at: string | undefined): [string, string][] {
  return at === undefined ? [] : [['at', at]];
}

/** A kept answer as it is shown. Of an answer without data, the CUJ of now is shown. */
function keptOf({ given, record }: GivenRecord, cuj: Cuj): Shown | undefined {
  const verdict = given as Verdict;
  if (record === undefined || !('cuj' in record))
    return { cuj, verdict, options: { registryDigest: verdict.registry }, queries: [] };
  return {
    cuj: record.cuj,
    verdict,
    options: record.options,
    measurement: readMeasurement(record.measurement),
    queries: [],
  };
}

type AnyVerdict = Pick<Verdict, 'verdict' | 'reason' | 'registry'>;

/**
 * Whether the moment is better shown by what is recomputed: a verdict is kept when it changes, so the kept one can have older numbers
 * than the answers until the moment.
 */
function isNewer(
  moment: Moment | undefined,
  kept: Shown | undefined,
  evaluation: Shown | undefined,
): boolean {
  return (
    moment?.given !== undefined &&
    kept !== undefined &&
    evaluation?.measurement !== undefined &&
    moment.atMs - moment.given.atMs >= 1_000 &&
    isSame(kept.verdict, evaluation.verdict)
  );
}

function isSame(a: AnyVerdict, b: AnyVerdict): boolean {
  return a.verdict === b.verdict && a.reason === b.reason;
}

/** How the verdict of a moment was found, and what the other way would have given. */
function pastView(
  { atMs, given }: Moment,
  kept: AnyVerdict | undefined,
  recomputed: AnyVerdict | undefined,
): PastView {
  if (given === undefined || kept === undefined) return { atMs, source: 'recomputed' };
  const caller = given.caller === undefined ? '' : ` to ${given.caller}`;
  const when = `${dayText(given.atMs)} ${clockText(given.atMs)} UTC${caller}`;
  const isEarlier = atMs - given.atMs >= 1_000;
  if (recomputed === undefined) {
    const since = isEarlier ? ' The verdict did not change until this moment, but its numbers may have.' : '';
    return { atMs, source: 'given', note: `Given at ${when}.${since}` };
  }
  if (isSame(recomputed, kept)) {
    return isEarlier
      ? { atMs, source: 'recomputed', note: `The same verdict was given from ${when} on.` }
      : { atMs, source: 'given', note: `Given at ${when}. The data and the registry of now give the same.` };
  }
  const why =
    recomputed.registry === kept.registry
      ? 'data arrived late, or the question had another window.'
      : 'the registry has changed since, or data arrived late.';
  const other = `${outcomeWords[recomputed.verdict]} (${recomputed.reason})`;
  return {
    atMs,
    source: 'given',
    note: `Given at ${when}. The data and the registry of now give ${other}: ${why}`,
  };
}
