import { retiredVerdict } from '../../domain/judge/retired-verdict.ts';
import type { Cuj } from '../../domain/registry/model.ts';
import { Fact, Runbook } from './elements.tsx';
import { nextStepsOf } from './next-steps.ts';
import { outcomeWords, sentenceOf } from './page-text.ts';
import { StepCommands } from './step-commands.tsx';

/** A CUJ that is no longer judged: the page of its verdict, and of itself. */
export interface RetiredView {
  readonly cuj: Cuj;
  readonly registryDigest: string;
  readonly params: ReadonlyMap<string, string>;
  /** The question for curl, absolute. */
  readonly question: string;
  readonly aliasNote: string | undefined;
}

export function RetiredPage({ cuj, registryDigest, params, question, aliasNote }: RetiredView) {
  const verdict = retiredVerdict(cuj, params, { registryDigest });
  const steps = nextStepsOf(
    { verdict: verdict.verdict, reason: 'retired' },
    {
      service: 'NAME',
      question,
      isPast: false,
      onlyReports: cuj.mode === 'observe',
      failsElsewhere: false,
    },
  );
  return (
    <>
      <section class={`headline ${verdict.verdict}`} aria-labelledby="headline">
        <h1 id="headline">
          <span class="outcome">{outcomeWords[verdict.verdict]}</span> {cuj.title ?? cuj.name}
        </h1>
        {verdict.canary !== '' && (
          <p class="release">
            asked about <code>{verdict.canary}</code>
          </p>
        )}
        <p class="sentence">{sentenceOf(verdict, cuj.gate)}</p>
        {aliasNote !== undefined && <p class="note">{aliasNote}</p>}
      </section>
      <section aria-labelledby="steps">
        <h2 id="steps">What to do now</h2>
        <p>{steps.explanation}</p>
        <dl class="facts">
          <Fact label="Owner">{cuj.owner}</Fact>
          {cuj.runbook !== undefined && (
            <Fact label="Runbook">
              <Runbook text={cuj.runbook} />
            </Fact>
          )}
          {cuj.aliases !== undefined && <Fact label="Earlier names">{cuj.aliases.join(', ')}</Fact>}
          <Fact label="Reason">
            <code>retired</code>
          </Fact>
          <Fact label="Answer to the controller">
            <code>{verdict.summary}</code>
          </Fact>
        </dl>
        <StepCommands steps={steps} />
      </section>
    </>
  );
}

/** The title of the page, and of the browser's tab. */
export function retiredTitle(cuj: Cuj): string {
  return `Retired: ${cuj.title ?? cuj.name}`;
}
