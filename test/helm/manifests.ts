import { parseAllDocuments } from 'yaml';

/** The manifests of a YAML text. Throws where one is no YAML, or a key, such as a label, is there twice. */
export function manifestsOf<T>(text: string): T[] {
  return parseAllDocuments(text).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as T;
  });
}
