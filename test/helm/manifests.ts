import { parseAllDocuments } from 'yaml';

/** The manifests of a YAML text. Throws if one is not YAML or has a key, such as a label, twice. */
export function manifestsOf<T>(text: string): T[] {
  return parseAllDocuments(text).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as T;
  });
}
