import { linkTo, type PageContext, webLink } from './page-context.ts';
import { clockText } from './page-text.ts';

export interface FailingQuestion {
  /** `Sign-up`, or the name of a service. */
  readonly title: string;
  /** The page of its verdict. */
  readonly path: string;
  readonly reason: string;
  readonly owner?: string;
  readonly runbook?: string;
  /** Epoch ms: when it failed, where that was after the moment of the page. */
  readonly laterMs?: number;
}

/** What is known of other questions about the same service. */
export interface SiblingsView {
  /** About the same canary, and failed. */
  readonly failing: readonly FailingQuestion[];
  /** Other canaries that were asked about lately, where nothing is known of this one. */
  readonly others: readonly { readonly canary: string; readonly path: string }[];
}

/** A reader must not promote what fails elsewhere, nor look for a version that does not exist. */
export function Siblings({ context, siblings }: { context: PageContext; siblings: SiblingsView }) {
  const { failing, others } = siblings;
  return (
    <>
      {failing.length > 0 && (
        <aside class="siblings" aria-label="Other CUJs of this release">
          <p>
            <strong>This release fails. Do not promote it.</strong>
          </p>
          <ul class="links">
            {failing.map(({ title, path, reason, owner, runbook, laterMs }) => (
              <li key={path}>
                <span class="badge fail">FAIL</span> <a href={linkTo(context, path)}>{title}</a>
                {laterMs !== undefined && <> later, at {clockText(laterMs)}</>}: {reason}
                {owner !== undefined && <> Owner: {owner}.</>}
                <RunbookLink text={runbook} />
              </li>
            ))}
          </ul>
        </aside>
      )}
      {others.length > 0 && (
        <p>
          Asked about lately:{' '}
          {others.map(({ canary, path }, i) => (
            <span key={path}>
              {i > 0 && ', '}
              <a href={linkTo(context, path)}>
                <code>{canary}</code>
              </a>
            </span>
          ))}
        </p>
      )}
    </>
  );
}

function RunbookLink({ text }: { text: string | undefined }) {
  const href = webLink(text);
  return href === undefined ? null : (
    <span>
      {' '}
      <a href={href}>Runbook</a>
    </span>
  );
}
