import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import type { GivenLook } from '../../domain/ports/verdict-history.ts';
import type { Cuj } from '../../domain/registry/model.ts';
import { sliKinds } from '../../domain/sli/table.ts';
import { Fact, ScrollRegion } from './elements.tsx';
import { nextStepsOf } from './next-steps.ts';
import { linkTo, type PageContext } from './page-context.ts';
import { afterReason, clockText, grouped, objectiveText, outcomeWords, stableText } from './page-text.ts';
import { PastNote, type PastView } from './past-note.tsx';
import { StepCommands } from './step-commands.tsx';

/** What the page of a service's verdict shows. */
export interface ServiceView {
  readonly verdict: ServiceVerdict;
  /** What happened to the CUJ that decides, for people. */
  readonly sentence: string;
  /** The CUJs of the verdict, by name. */
  readonly cujs: ReadonlyMap<string, Cuj>;
  /** The path of the page of one CUJ's verdict, with the same canary. */
  readonly pathOf: (cuj: string) => string;
  /** The same question about now, for curl, absolute; and its page. */
  readonly question: string;
  readonly nowPath: string;
  readonly permalink: string | undefined;
  readonly looks: readonly GivenLook[] | string;
  /** Set where this is not the verdict of now. */
  readonly past?: PastView;
}

export function serviceTitle({ verdict }: Pick<ServiceView, 'verdict'>): string {
  return `${outcomeWords[verdict.verdict]} ${verdict.service}, ${verdict.canary}`;
}

/** A service's CUJs, worst first. */
export function ServicePage({ context, view }: { context: PageContext; view: ServiceView }) {
  const { verdict, sentence, cujs, pathOf, question, permalink, looks, past } = view;
  const steps = nextStepsOf(verdict, {
    service: verdict.service,
    question,
    isPast: past !== undefined,
    onlyReports: verdict.cujs.length > 0 && verdict.cujs.every(({ mode }) => mode === 'observe'),
    failsElsewhere: false,
  });
  const decisive = verdict.cujs[0];
  return (
    <>
      <section class={`headline ${verdict.verdict}`} aria-labelledby="headline">
        <h1 id="headline">
          <span class="outcome">{outcomeWords[verdict.verdict]}</span> {verdict.service}
        </h1>
        <p class="release">
          Canary <code>{verdict.canary}</code> beside stable ({stableText(verdict.stable)})
        </p>
        <p class="sentence">
          {decisive === undefined || decisive.mode === 'observe'
            ? afterReason(verdict)
            : `${cujs.get(decisive.cuj)?.title ?? decisive.cuj}: ${sentence}`}
        </p>
      </section>
      {past !== undefined && <PastNote past={past} nowHref={linkTo(context, view.nowPath)} />}
      <section aria-labelledby="cujs">
        <h2 id="cujs">Critical User Journeys, worst first</h2>
        <ScrollRegion label="CUJs of the service">
          <table class="stack">
            <thead>
              <tr>
                <th scope="col">Verdict</th>
                <th scope="col">CUJ</th>
                <th scope="col">What the canary did</th>
                <th scope="col">SLO</th>
                <th scope="col">Owner</th>
              </tr>
            </thead>
            <tbody>
              {verdict.cujs.map((one) => (
                <tr key={one.cuj}>
                  <td>
                    <span class={`badge ${one.verdict}`}>{outcomeWords[one.verdict]}</span>
                    {one.mode === 'observe' && <small> reports only</small>}
                  </td>
                  <th scope="row">
                    <a href={linkTo(context, pathOf(one.cuj))}>{cujs.get(one.cuj)?.title ?? one.cuj}</a>
                  </th>
                  <td>
                    {one.slis.length === 0
                      ? afterReason(one)
                      : one.slis
                          .map(
                            ({ sli, bad, total }) =>
                              `${grouped(bad)} of ${grouped(total)} ${sliKinds[sli].badWord}`,
                          )
                          .join('; ')}{' '}
                    <small>{one.reason}</small>
                  </td>
                  <td>
                    {one.slis.map(({ sli, objective }) => `${sli} ${objectiveText(objective)}`).join(', ')}
                  </td>
                  <td>{one.owner}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      </section>
      <section aria-labelledby="steps">
        <h2 id="steps">What to do {past === undefined ? 'now' : 'about it'}</h2>
        <p>{steps.explanation}</p>
        <StepCommands steps={steps} />
      </section>
      <section aria-labelledby="details">
        <h2 id="details">Details</h2>
        <dl class="facts">
          <Fact label="Answer to the controller">
            <code>{verdict.summary}</code>
          </Fact>
          <Fact label="Answers so far">
            {typeof looks === 'string'
              ? looks
              : looks.length === 0
                ? 'None: nobody asked about the service as a whole. The page of each CUJ has its own.'
                : `${grouped(looks.reduce((sum, { times }) => sum + times, 0))}, the first at ${clockText((looks[0] as GivenLook).atMs)}, the last at ${clockText((looks.at(-1) as GivenLook).lastAtMs)}`}
          </Fact>
          {permalink !== undefined && (
            <Fact label="Link to this moment">
              <a href={linkTo(context, permalink)}>{permalink}</a>
            </Fact>
          )}
          <Fact label="Registry">
            <code>{verdict.registry}</code>
          </Fact>
        </dl>
      </section>
    </>
  );
}
