import {
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from 'yaml';
import { type RenamedName, renamedNames } from './renamed-names.ts';

/** A file that belongs to users: a registry, values of the chart, templates, alert rules, a dashboard, a record. */
export interface MigrationInput {
  readonly file: string;
  readonly text: string;
}

/** Where something is in a file; line and column count from 1. */
interface At {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Renaming extends At {
  readonly kind: RenamedName['kind'];
  readonly old: string;
  readonly now: string;
}

/** What a person has to decide. */
export interface Undecided extends At {
  readonly problem: string;
  readonly fix: string;
}

export interface Migration {
  /** The text with the new names; equal to the input where there is none. */
  readonly text: string;
  readonly renamings: readonly Renaming[];
  readonly undecided: readonly Undecided[];
  /** Why the file was searched for metrics and log messages alone; undefined where it was read as a whole. */
  readonly partly: string | undefined;
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly name: RenamedName;
}

/**
 * Replaces the public names that changed since 0.1.0. Nothing but the names changes: comments and formatting stay, and a
 * second run finds nothing.
 */
export function migrate({ file, text }: MigrationInput): Migration {
  const lines = new LineCounter();
  for (let at = 0; at >= 0; at = text.indexOf('\n', at) + 1 || -1) lines.addNewLine(at);
  const placeOf = (offset: number): At => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const edits: Edit[] = [...namesAnywhere(text)];
  const undecided: Undecided[] = [];
  const { documents, partly } = read(file, text);
  for (const document of documents) {
    for (const object of objectsIn(document)) {
      const found = inObject(object, text);
      for (const edit of found) {
        if (edit.name.now !== undefined) edits.push(edit);
        else undecided.push({ ...placeOf(edit.from), ...removedField(edit.name) });
      }
      for (const offset of placeholdersCalledAt(object, text)) {
        undecided.push({ ...placeOf(offset), ...placeholderAt });
      }
    }
  }
  edits.sort((one, other) => one.from - other.from);
  let migrated = '';
  let end = 0;
  for (const { from, to, name } of edits) {
    migrated += text.slice(end, from) + name.now;
    end = to;
  }
  return {
    text: migrated + text.slice(end),
    renamings: edits.map(({ from, name: { kind, old, now = '' } }) => ({ ...placeOf(from), kind, old, now })),
    undecided,
    partly,
  };
}

const removedField = ({ old }: RenamedName) => ({
  problem: `verdicts no longer have the field ${old}, and nothing took its place`,
  fix: 'Use another field (docs/http.md), or the summary as generated templates do.',
});

const placeholderAt = {
  problem: 'a placeholder can no longer be called {at}: at is a parameter of the gate',
  fix: 'Choose another name, such as {released_at}, and generate the templates again.',
};

const escaped = (literal: string) => literal.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** How a name is found in any text: alerts, dashboards, log queries. */
function patternOf({ kind, old }: RenamedName): RegExp | undefined {
  if (kind === 'metric') return new RegExp(`(?<![A-Za-z0-9_])${escaped(old)}(?![A-Za-z0-9_])`, 'g');
  if (kind === 'log message') return new RegExp(escaped(old), 'g');
  // Words that may stand in any sentence: only where they are all of a text in quotes.
  if (kind === 'span of a trace') return new RegExp(`(?<=(["']))${escaped(old)}(?=\\1)`, 'g');
  return undefined;
}

function* namesAnywhere(text: string): Generator<Edit> {
  for (const name of renamedNames) {
    const pattern = patternOf(name);
    if (pattern === undefined) continue;
    for (const { index } of text.matchAll(pattern)) yield { from: index, to: index + name.old.length, name };
  }
}

function read(file: string, text: string): { documents: Document[]; partly: string | undefined } {
  if (!/\.(ya?ml|json)$/.test(file)) return { documents: [], partly: undefined };
  const documents = [...parseAllDocuments(text)] as Document[];
  const problem = documents.flatMap(({ errors }) => errors)[0];
  if (problem === undefined) return { documents, partly: undefined };
  const [why] = problem.message.split('\n');
  return { documents: [], partly: `it is not plain YAML (${why?.replace(/:$/, '')})` };
}

/** The objects of a document; those of a List one by one. */
function objectsIn({ contents }: Document): YAMLMap[] {
  if (!isMap(contents)) return [];
  const items = contents.get('kind') === 'List' ? contents.get('items') : undefined;
  return isSeq(items) ? items.items.filter(isMap) : [contents];
}

function inObject(object: YAMLMap, text: string): Edit[] {
  const kind = object.get('kind');
  if (kind === 'AnalysisTemplate' || kind === 'ClusterAnalysisTemplate' || kind === 'AnalysisRun')
    return inMetrics(object, text);
  const format = object.get('format');
  if (typeof format === 'string' && format.startsWith('cuj-gate/verdict-record/')) return inRecord(object);
  return [];
}

const verdictFields = renamedNames.filter(({ kind }) => kind === 'JSON field of a verdict');
const recordFields = renamedNames.filter(({ kind }) => kind === 'field of a record');

/** Fields of a verdict that the metrics of a template select or compare. */
function inMetrics(object: YAMLMap, text: string): Edit[] {
  const metrics = object.getIn(['spec', 'metrics']);
  if (!isSeq(metrics)) return [];
  return metrics.items.filter(isMap).flatMap((metric) => {
    const url = metric.getIn(['provider', 'web', 'url']);
    if (typeof url !== 'string' || !/\/(cujs|services)\/[^/]+\/status/.test(url)) return [];
    const places = [['provider', 'web', 'jsonPath'], ['successCondition'], ['failureCondition']];
    return places.flatMap((path) => {
      const node = metric.getIn(path, true);
      if (!isScalar(node) || !node.range) return [];
      const [from, to] = node.range;
      const source = text.slice(from, to);
      return verdictFields.flatMap((name) =>
        [...source.matchAll(new RegExp(`(?<=\\.|\\[\\\\?["'])${name.old}(?![A-Za-z0-9_])`, 'g'))].map(
          ({ index }) => ({ from: from + index, to: from + index + name.old.length, name }),
        ),
      );
    });
  });
}

function inRecord(object: YAMLMap): Edit[] {
  const whole = object.getIn(['measurement', 'whole']);
  if (!isMap(whole)) return [];
  return (whole.items as Pair[]).flatMap(({ key }) => {
    const name = isScalar(key) ? recordFields.find(({ old }) => old === key.value) : undefined;
    if (name === undefined || !isScalar(key) || !key.range) return [];
    // The key may be in quotes.
    const quote = key.type === 'PLAIN' ? 0 : 1;
    const from = key.range[0] + quote;
    return [{ from, to: from + name.old.length, name }];
  });
}

/** Offsets in a registry. */
function placeholdersCalledAt(object: YAMLMap, text: string): number[] {
  const services = object.get('services');
  if (!String(object.get('apiVersion')).startsWith('cuj-gate/') || !isMap(services)) return [];
  const found: number[] = [];
  visit(services, {
    Scalar(key, node, path) {
      const pair = path.at(-1);
      const selector = key === 'value' && isPair(pair) && isScalar(pair.key) ? pair.key.value : undefined;
      if ((selector !== 'canary' && selector !== 'stable') || !node.range) return;
      const [from, to] = node.range;
      const index = text.slice(from, to).indexOf('{at}');
      if (index >= 0) found.push(from + index);
    },
  });
  return found;
}
