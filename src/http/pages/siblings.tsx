import { linkTo, type PageContext } from './page-context.ts';

/** What is known of other questions about the same service. */
export interface SiblingsView {
  /** About the same canary, and failed. */
  readonly failing: readonly { readonly name: string; readonly path: string; readonly reason: string }[];
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
            <strong>This release fails elsewhere. Do not promote it.</strong>
          </p>
          <ul class="links">
            {failing.map(({ name, path, reason }) => (
              <li key={path}>
                <span class="badge fail">FAIL</span> <a href={linkTo(context, path)}>{name}</a>: {reason}
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
