import { judge } from '../domain/judge/judge.ts';
import type { Tracing } from '../domain/ports/tracing.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';

/** An Evaluator that records request and outcome on the request's span. */
export function createTracedEvaluator(inner: Evaluator, tracing: Tracing): Evaluator {
  return {
    async cuj(request, signal) {
      tracing.note({ 'cuj_gate.cuj': request.cuj });
      const evaluation = await inner.cuj(request, signal);
      const { verdict, reason } = evaluation.verdict;
      tracing.note({ 'cuj_gate.verdict': verdict, 'cuj_gate.reason': reason });
      return evaluation;
    },
    async service(request, signal) {
      tracing.note({ 'cuj_gate.service': request.service });
      const evaluation = await inner.service(request, signal);
      const { verdict, reason } = evaluation.verdict;
      tracing.note({ 'cuj_gate.verdict': verdict, 'cuj_gate.reason': reason });
      return evaluation;
    },
  };
}

/** A judge that records a span for each verdict. */
export function createTracedJudge(tracing: Tracing): typeof judge {
  return (cuj, measurement, options) =>
    tracing.span('judge', 'internal', { 'cuj_gate.cuj': cuj.name }, (span) => {
      const verdict = judge(cuj, measurement, options);
      span.set({ 'cuj_gate.verdict': verdict.verdict, 'cuj_gate.reason': verdict.reason });
      return verdict;
    });
}
