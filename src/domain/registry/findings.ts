import type { AnyCujDocument, RegistryDocument } from './schema.ts';

/** Where in a document: keys and 0-based indexes from the root. */
export type DocumentPath = readonly (string | number)[];

/** One thing wrong with a registry, by path; an adapter that has the text adds line and column. */
export interface Finding {
  readonly file: string;
  readonly path: DocumentPath;
  /** Whether the last key of the path is wrong, or its value. */
  readonly at: 'key' | 'value';
  /** Kebab-case and stable. */
  readonly rule: string;
  /** What was found; absent where nothing was there. */
  readonly value?: unknown;
  readonly message: string;
  readonly fix: string;
  /** A name that is not defined, with those that are: the reader of the finding may suggest the nearest. */
  readonly unknown?: { readonly name: string; readonly known: readonly string[] };
}

/** Parts of a document that did not pass the schema. They are reported already, and cause no further findings. */
export interface BrokenParts {
  readonly defaults: boolean;
  readonly environments?: boolean;
  readonly sources: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
  /** By index in `cujs`. */
  readonly cujs: ReadonlySet<number>;
  /** Broken CUJs without what is wrong with them, so that the rest of each is still checked; by index in `cujs`. */
  readonly partial?: ReadonlyMap<number, AnyCujDocument>;
}

/** One file of the registry. Whatever is not among the broken parts passed the schema. */
export interface RegistryInput {
  readonly file: string;
  readonly document: RegistryDocument;
  readonly broken?: BrokenParts;
}

/** `cujs[3].slo.availability`; the empty string is the document itself. */
export function pathText(path: DocumentPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

export type Report = (finding: Finding) => void;

/** Reports findings about one part of one file. */
export class Reporter {
  readonly #report: Report;
  readonly file: string;
  readonly base: DocumentPath;

  constructor(report: Report, file: string, base: DocumentPath) {
    this.#report = report;
    this.file = file;
    this.base = base;
  }

  /** A value at a path below the part. */
  value(path: DocumentPath, rule: string, value: unknown, message: string, fix: string): void {
    this.#report({ file: this.file, path: [...this.base, ...path], at: 'value', rule, value, message, fix });
  }

  /** A key at a path below the part. */
  key(path: DocumentPath, rule: string, value: unknown, message: string, fix: string): void {
    this.#report({ file: this.file, path: [...this.base, ...path], at: 'key', rule, value, message, fix });
  }

  /** Something that is missing from what stands at a path below the part. */
  missing(path: DocumentPath, rule: string, message: string, fix: string): void {
    this.#report({ file: this.file, path: [...this.base, ...path], at: 'value', rule, message, fix });
  }

  /** A reference to something that is not defined. */
  unknown(
    path: DocumentPath,
    rule: string,
    name: string,
    known: readonly string[],
    message: string,
    fix: string,
  ): void {
    this.#report({
      file: this.file,
      path: [...this.base, ...path],
      at: 'value',
      rule,
      value: name,
      message,
      fix,
      unknown: { name, known },
    });
  }
}
