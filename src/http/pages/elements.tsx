import type { ComponentChildren } from 'preact';

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
