import type { ComponentChildren } from 'preact';
import { webLink } from './page-context.ts';

/** A label and its value, one of a list. */
export function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What may be wider than the page, such as a table. It can be reached by keyboard, because only then can it be scrolled without a mouse. */
export function ScrollRegion({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: axe asks for it (scrollable-region-focusable)
    // biome-ignore lint/a11y/useSemanticElements: a section would be one more landmark, and a fieldset is for forms
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** A command to paste. */
export function Command({ children }: { children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: axe asks for it (scrollable-region-focusable)
    <pre tabIndex={0}>
      <code>{children}</code>
    </pre>
  );
}

/** The address of a runbook for a browser, or its text. */
export function Runbook({ text }: { text: string }) {
  const link = webLink(text);
  return link === undefined ? <span>{text}</span> : <a href={link}>{text}</a>;
}
