import type { FastifyReply, FastifyRequest } from 'fastify';
import { ceilTo } from '../../domain/duration.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { type EvaluationRequest, resolveRequest } from '../../domain/metrics/evaluation-request.ts';
import { recentStepMs } from '../../domain/metrics/metrics-source.ts';
import type { SourceLink } from '../../domain/ports/source-links.ts';
import type { AskedAbout, GivenLook } from '../../domain/ports/verdict-history.ts';
import type { Registry, Service } from '../../domain/registry/model.ts';
import { type Evaluation, findCuj, serviceNotFound } from '../../evaluation/evaluator.ts';
import type { AppPorts } from '../server/ports.ts';
import { ownOfCuj, ownOfService, readQuestion } from '../status/question.ts';
import { queryOf } from './page-context.ts';
import type { PageResponder } from './page-responder.ts';
import { sentenceOf } from './page-text.ts';
import { paramsOfPermalink, permalinkOf } from './permalink.ts';
import { ServicePage, serviceTitle } from './service-page.tsx';
import { VerdictPage, verdictTitle } from './verdict-page.tsx';
import { verdictTrend } from './verdict-trend.ts';

/** The header by which the script of a page asks for what is kept, and for nothing that the backend would have to be asked for. */
const refreshHeader = 'x-cuj-gate-refresh';

/** The pages at the addresses of the two routes that Argo asks. */
export function createVerdictPages(ports: AppPorts, responder: PageResponder) {
  const { evaluator, history } = ports;
  const { pagePorts } = responder;

  async function looksOf(about: AskedAbout): Promise<readonly GivenLook[] | string> {
    if (history === undefined) return 'Answers are not noted.';
    const looks = await history.looksOf(about);
    return looks.available ? looks.value : `Not known: ${looks.unavailable}.`;
  }

  function linksOf(registry: Registry, request: EvaluationRequest, verdict: Verdict): readonly SourceLink[] {
    const { selectors, services } = resolveRequest(registry, findCuj(registry, request.cuj), request);
    const worst = verdict.slis[0]?.endpoints[0];
    const about = services.find(({ name }) => name === worst?.service) ?? services[0];
    const canary = about === undefined ? undefined : selectors.get(about.name)?.canary;
    if (about === undefined || canary === undefined) return [];
    const toMs = verdict.window === undefined ? ports.now() : Date.parse(verdict.window.to);
    const fromMs = verdict.window === undefined ? toMs - 30 * 60_000 : Date.parse(verdict.window.from);
    return pagePorts.links({
      service: about,
      canary,
      ...(worst === undefined || worst.bad === 0 ? {} : { resource: worst.resource }),
      fromMs,
      toMs: Math.max(toMs, fromMs + 60_000),
    });
  }

  const isRefresh = (request: FastifyRequest) => request.headers[refreshHeader] !== undefined;
  /** With an aborted signal, the backend is not asked: what is kept is judged. */
  const signalFor = (request: FastifyRequest, signal: AbortSignal) =>
    isRefresh(request) ? AbortSignal.abort() : signal;
  const nothingNewer = (reply: FastifyReply) => reply.code(204).header('cache-control', 'no-store').send();

  function servicesOf(registry: Registry, names: readonly string[]): Service[] {
    return names.map((name) => registry.services.get(name) as Service);
  }

  function redirect(reply: FastifyReply, path: string): FastifyReply {
    return reply
      .code(302)
      .header('cache-control', 'no-store')
      .header('location', `${pagePorts.basePath}${path}`)
      .send();
  }

  return {
    async verdictOfCuj(request: FastifyRequest, reply: FastifyReply) {
      const { registry } = responder.registryState();
      const cuj = findCuj(registry, (request.params as { name: string }).name);
      const services = servicesOf(registry, cuj.services);
      const { evaluationRequest } = readQuestion(request, services, ownOfCuj, cuj.name);
      const about: AskedAbout = {
        kind: 'cuj',
        name: cuj.name,
        params: Object.fromEntries(evaluationRequest.params),
        ...(evaluationRequest.service === undefined ? {} : { service: evaluationRequest.service }),
      };
      const made = await responder.within(request, async (signal) => {
        const evaluation = await evaluator.cuj(evaluationRequest, signalFor(request, signal));
        if (evaluation.measurement === undefined && isRefresh(request)) return undefined;
        const [trend, looks] = await Promise.all([verdictTrend(evaluation), looksOf(about)]);
        return { evaluation, trend, looks };
      });
      if (made === undefined) return nothingNewer(reply);
      const { evaluation, trend, looks } = made;
      const { verdict, measurement } = evaluation;
      const path = `/cujs/${encodeURIComponent(cuj.name)}/status${request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : ''}`;
      const atMs = momentOf(evaluation);
      return responder.send(request, reply, {
        title: verdictTitle({ verdict, cuj }),
        refreshes: true,
        children: (
          <VerdictPage
            context={responder.context(request)}
            view={{
              cuj: evaluation.cuj,
              verdict,
              options: evaluation.options,
              ...(measurement === undefined ? {} : { measurement }),
              trend,
              looks,
              queries: evaluation.queries,
              links: linksOf(registry, evaluationRequest, verdict),
              question: responder.absolute(request, path),
              permalink:
                atMs === undefined
                  ? undefined
                  : permalinkOf('v', cuj.name, services, evaluationRequest.params, atMs),
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
      const { evaluationRequest } = readQuestion(request, [service], ownOfService, '*');
      const { cuj: _, ...part } = evaluationRequest;
      const params = Object.fromEntries(evaluationRequest.params);
      const made = await responder.within(request, async (signal) => {
        const evaluation = await evaluator.service({ ...part, service: name }, signalFor(request, signal));
        const isMeasured = evaluation.evaluations.some(({ measurement }) => measurement !== undefined);
        if (!isMeasured && isRefresh(request)) return undefined;
        return { evaluation, looks: await looksOf({ kind: 'service', name, params }) };
      });
      if (made === undefined) return nothingNewer(reply);
      const { evaluation, looks } = made;
      const verdict: ServiceVerdict = evaluation.verdict;
      const decisive = evaluation.evaluations.find((one) => one.verdict.cuj === verdict.cujs[0]?.cuj);
      const newest = evaluation.evaluations.map(momentOf).find((atMs) => atMs !== undefined);
      const query = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : '';
      return responder.send(request, reply, {
        title: serviceTitle({ verdict }),
        refreshes: true,
        children: (
          <ServicePage
            context={responder.context(request)}
            view={{
              verdict,
              sentence: decisive === undefined ? '' : sentenceOf(decisive.verdict, decisive.cuj.gate),
              cujs: registry.cujs,
              pathOf: (cuj) =>
                `/cujs/${encodeURIComponent(cuj)}/status${queryOf([...evaluationRequest.params, ['service', name]])}`,
              question: responder.absolute(request, `/services/${encodeURIComponent(name)}/status${query}`),
              permalink:
                newest === undefined
                  ? undefined
                  : permalinkOf('r', name, [service], evaluationRequest.params, newest),
              looks,
            }}
          />
        ),
      });
    },

    async cujLink(request: FastifyRequest, reply: FastifyReply) {
      const { registry } = responder.registryState();
      const { name, canary, at } = request.params as { name: string; canary: string; at?: string };
      const cuj = findCuj(registry, name);
      const params = paramsOfPermalink(servicesOf(registry, cuj.services), canary);
      return redirect(
        reply,
        `/cujs/${encodeURIComponent(name)}/status${queryOf([...params, ...(at === undefined ? [] : [['at', at] as const])])}`,
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
        `/services/${encodeURIComponent(name)}/status${queryOf([...params, ...(at === undefined ? [] : [['at', at] as const])])}`,
      );
    },
  };
}

/** The moment as of which the same data would be judged, epoch ms. Undefined where nothing was measured. */
export function momentOf({
  verdict: { window },
  cuj,
}: Pick<Evaluation, 'verdict' | 'cuj'>): number | undefined {
  if (window === undefined) return undefined;
  const incompleteMs = 1_000 * (window.incompleteSeconds ?? 0);
  return ceilTo(Date.parse(window.to) + cuj.gate.lagMs + incompleteMs, recentStepMs);
}
