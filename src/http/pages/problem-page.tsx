import type { ProblemDocument } from '../server/problem.ts';
import { pageText } from './layout.tsx';

/** What a browser is told where it gets no page. */
function ProblemPage({ problem, requestId }: { problem: ProblemDocument; requestId: string }) {
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

/** The whole page. It needs neither a registry nor anything else that may be missing. */
export function problemPageText(problem: ProblemDocument, basePath: string, requestId: string): string {
  return pageText({
    context: { basePath },
    title: `${problem.title} - cuj-gate`,
    children: <ProblemPage problem={problem} requestId={requestId} />,
  });
}
