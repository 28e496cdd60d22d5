import type { ComponentChildren } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { visible } from '../../domain/outside-text.ts';
import { icon, script, stylesheet } from './assets.ts';
import { linkTo, type PageContext } from './page-context.ts';
import { momentText } from './page-text.ts';

export interface PageParts {
  readonly context: PageContext;
  readonly title: string;
  /** Whether the page's script asks for newer data. */
  readonly refreshes?: boolean;
  readonly children: ComponentChildren;
}

/** The frame of every page: complete without the script, which only refreshes `main`. */
function Page({ context, title, refreshes = false, children }: PageParts) {
  const { registry, nowMs } = context;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title}</title>
        <link rel="icon" href={linkTo(context, icon.path)} />
        <link rel="stylesheet" href={linkTo(context, stylesheet.path)} />
        {refreshes && <script src={linkTo(context, script.path)} defer />}
      </head>
      <body>
        <a class="skip" href="#content">
          Skip to the content
        </a>
        <header>
          <a class="brand" href={linkTo(context, '/')}>
            cuj-gate
          </a>
          <nav aria-label="Pages">
            <a href={linkTo(context, '/')}>Rollouts</a>
            <a href={linkTo(context, '/report')}>Error budgets</a>
            {context.environment !== undefined && (
              <a href={`${context.basePath}/`}>Environment: {context.environment}</a>
            )}
          </nav>
        </header>
        <main id="content" {...(refreshes ? { 'data-refresh': 'true' } : {})}>
          {children}
        </main>
        <footer>
          {registry !== undefined && (
            <p>
              {registry.cujs} CUJs, {registry.services} services. Registry{' '}
              <code title={registry.digest}>{registry.digest.slice(7, 15)}</code>, loaded{' '}
              {momentText(registry.loadedAtMs)}
              {registry.isOutdated && (
                <strong>; its last change was refused, and this is the version before it</strong>
              )}
              .
            </p>
          )}
          {nowMs !== undefined && <p>Page of {momentText(nowMs)}. All times are UTC.</p>}
        </footer>
      </body>
    </html>
  );
}

/** A whole document. Invisible characters of what it shows are written as `\uXXXX`, as in every other answer. */
export function pageText(parts: PageParts): string {
  return `<!doctype html>\n${visibleIn(renderToString(<Page {...parts} />))}\n`;
}

function visibleIn(html: string): string {
  return html.split('\n').map(visible).join('\n');
}
