import type { ProblemDocument } from '../server/problem.ts';

/** What a browser is told where it gets no page. */
export function ProblemPage({ problem, requestId }: { problem: ProblemDocument; requestId: string }) {
  return (
    <section class="headline problem" aria-labelledby="headline">
      <h1 id="headline">{problem.title}</h1>
      <p class="sentence">{problem.detail}</p>
      <p class="hint">{problem.hint}</p>
      <p class="note">
        {problem.status} <code>{problem.code}</code>, request {requestId}
      </p>
    </section>
  );
}
