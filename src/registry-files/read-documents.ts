import { type Finding, pathText, type RegistryInput } from '../domain/registry/findings.ts';
import type { Problem } from '../domain/registry/model.ts';
import { exportCue } from './cue.ts';
import { decodeText } from './decode.ts';
import {
  FilesDigest,
  fileProblem,
  findRegistryFiles,
  isReadFailure,
  maxTotalBytes,
  type ReadBytes,
  type RegistryFile,
  readBounded,
} from './files.ts';
import { nearest } from './nearest-key.ts';
import { parseText } from './parse.ts';
import { Positions } from './positions.ts';
import { checkStructure } from './validate-schema.ts';

/** Everything that reading a registry's files gave, short of the model. */
export interface Gathered {
  readonly digest: string;
  /** The files that were found, as the user named them. */
  readonly files: readonly string[];
  readonly inputs: readonly RegistryInput[];
  readonly findings: readonly Finding[];
  /** Problems that have their place already: of files as a whole, and of syntax. */
  readonly problems: readonly Problem[];
  /** A file has no document, so that the names that it may define are unknown. */
  readonly incomplete: boolean;
  /** Something could not be read: read again, the same files may hold something else. */
  readonly unread: boolean;
  /** The texts by file, to find lines and columns in; CUE's output has none that anybody could look up. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Reads, parses and checks the structure of all files of a registry. Never throws for their content. */
export async function gather(path: string, read?: ReadBytes): Promise<Gathered> {
  const found = await findRegistryFiles(path);
  if (!found.ok) return { ...nothing, problems: [found.problem], unread: isReadFailure(found.problem) };
  const files = found.files.map((file) => file.path);
  const total = found.files.reduce((sum, file) => sum + file.bytes, 0);
  if (found.files.length > 1 && total > maxTotalBytes) {
    const fix = 'Remove other files from the folder; a registry of 10,000 CUJs takes 5 MiB.';
    const problem = fileProblem(
      path,
      'folder-too-large',
      `the files of ${path} are larger than 20 MiB together`,
      {
        value: total,
        fix,
      },
    );
    return { ...nothing, files, problems: [problem] };
  }
  const digest = new FilesDigest();
  const inputs: RegistryInput[] = [];
  const findings: Finding[] = [];
  const problems: Problem[] = [];
  const texts = new Map<string, string>();
  for (const file of found.files) {
    const bytes = await bytesOf(file, read);
    if (!Buffer.isBuffer(bytes)) {
      problems.push(bytes);
      continue;
    }
    digest.add(file.path, bytes);
    const document = await readDocument(file.path, bytes);
    problems.push(...document.problems);
    findings.push(...document.findings);
    if (document.text !== undefined && file.format === 'text') texts.set(file.path, document.text);
    if (document.input !== undefined) inputs.push(document.input);
  }
  const incomplete = inputs.length < found.files.length;
  const unread = problems.some(isReadFailure);
  return { digest: digest.text(), files, inputs, findings, problems, incomplete, unread, texts };
}

/** The same for a registry of one document that is in no file, such as standard input. */
export async function gatherDocument(name: string, bytes: Buffer): Promise<Gathered> {
  const digest = new FilesDigest();
  digest.add(name, bytes);
  const { problems, findings, text, input } = await readDocument(name, bytes);
  return {
    digest: digest.text(),
    files: [name],
    inputs: input === undefined ? [] : [input],
    findings,
    problems,
    incomplete: input === undefined,
    unread: false,
    texts: new Map(text === undefined ? [] : [[name, text]]),
  };
}

interface ReadDocument {
  readonly problems: readonly Problem[];
  readonly findings: readonly Finding[];
  /** Undefined where it is no YAML or JSON. */
  readonly text?: string;
  /** Undefined where nothing of it can be used. */
  readonly input?: RegistryInput;
}

async function readDocument(file: string, bytes: Buffer): Promise<ReadDocument> {
  const text = decodeText(file, bytes);
  if (typeof text !== 'string') return { problems: [text], findings: [] };
  const parsed = await parseText(text);
  const problems = parsed.problems.map((problem) => ({ file, path: '', ...problem }));
  if (!parsed.ok) return { problems, findings: [] };
  const structure = await checkStructure(file, parsed.value);
  const { findings } = structure;
  return { problems, findings, text, ...(structure.usable ? { input: structure.input } : {}) };
}

const nothing: Gathered = {
  digest: '',
  files: [],
  inputs: [],
  findings: [],
  problems: [],
  incomplete: true,
  unread: false,
  texts: new Map(),
};

function bytesOf(file: RegistryFile, read: ReadBytes | undefined): Promise<Buffer | Problem> {
  return file.format === 'cue' ? exportCue(file.path) : readBounded(file, read);
}

/** Findings with their places and suggestions, among the problems that had theirs, in the order of the files. */
export function locate(gathered: Gathered, more: readonly Finding[]): readonly Problem[] {
  const placeOf = createLocator(gathered);
  const problems = [...gathered.problems, ...[...gathered.findings, ...more].map(placeOf)];
  const order = new Map(gathered.files.map((file, index) => [file, index]));
  const rank = (problem: Problem) => order.get(problem.file) ?? -1;
  return problems.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}

/** Gives findings their places. The texts are read once for all of them, and not before the first. */
export function createLocator({ texts }: Gathered): (finding: Finding) => Problem {
  const positions = new Map<string, Positions>();
  return (finding) => {
    const text = texts.get(finding.file);
    let place = positions.get(finding.file);
    if (place === undefined && text !== undefined) {
      place = new Positions(text);
      positions.set(finding.file, place);
    }
    const { line, column } = place?.of(finding.path, finding.at) ?? { line: 1, column: 1 };
    return {
      file: finding.file,
      line,
      column,
      path: shortened(pathText(finding.path)),
      rule: finding.rule,
      ...('value' in finding ? { value: shortened(finding.value) } : {}),
      message: finding.message,
      fix: fixWithSuggestion(finding),
    };
  };
}

/** The value for messages, cut: a text of megabytes would be in the log, and in GET /registry. */
function shortened<T>(value: T): T | string {
  return typeof value === 'string' && value.length > maxShownValue
    ? `${value.slice(0, maxShownValue - 1)}…`
    : value;
}

const maxShownValue = 1_000;

/** Puts the nearest known name first, where one is near. */
function fixWithSuggestion({ unknown, fix }: Finding): string {
  const near = unknown && nearest(unknown.name, unknown.known);
  return near === undefined ? fix : `Did you mean ${near}? ${fix}`;
}
