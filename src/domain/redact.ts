/** The one place that hides secrets: in what comes from backends, and in what goes into the log and into traces. */

/** Takes secrets out of a text. */
export type Redact = (text: string) => string;

const hidden = '[redacted]';

/** Hides the given secrets as they are, in either letter case, and as URLs and JSON write them. */
export function redactor(secrets: readonly (string | undefined)[]): Redact {
  const known = [...new Set(secrets.flatMap((secret) => (secret === undefined ? [] : spellings(secret))))]
    // A secret that is a part of another one must not leave the rest of it.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of known) if (clean.includes(secret)) clean = clean.replaceAll(secret, hidden);
    return clean;
  };
}

function spellings(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1);
  const all = [secret, inJson, inJson.replaceAll('/', '\\/'), encodeURIComponent(secret)];
  return [...all, ...all.map((text) => text.toUpperCase()), ...all.map((text) => text.toLowerCase())].filter(
    (text) => text !== '',
  );
}

/** Hides what looks like a key of a backend: a proxy may have keys of its own, which the gate does not know. */
export function withoutKeys(text: string): string {
  return text
    .replace(/\b[0-9a-f]{32}(?:[0-9a-f]{8})?\b/gi, hidden)
    .replace(/\bdd(?:app|api|pat)_\w+/gi, hidden);
}
