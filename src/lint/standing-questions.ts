import type { StandingQuestion } from '../domain/metrics/standing-question.ts';
import { environmentParam } from '../domain/registry/selector.ts';
import { gatePath } from './metric-checks.ts';
import { type Place, placesIn } from './yaml-node.ts';

/** A question that a template in a file asks, and where. */
export interface PlacedQuestion {
  readonly question: StandingQuestion;
  readonly file: string;
  /** 1-based, of the URL. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

/** The questions to the gate in the analysis templates of a file. What cannot be read as YAML has none. */
export function standingQuestionsIn(file: string, text: string): readonly PlacedQuestion[] {
  const { documents } = placesIn(file, text);
  return documents
    .filter((place) => /^(Cluster)?AnalysisTemplate$/.test(place.at('kind').text ?? ''))
    .flatMap((template) => template.at('spec', 'metrics').items)
    .flatMap((metric) => questionOf(metric) ?? []);
}

function questionOf(metric: Place): PlacedQuestion | undefined {
  const asked = gatePath(metric);
  const web = metric.at('provider', 'web');
  const url = web.at('url');
  if (asked === undefined || asked.name.includes('{{')) return undefined;
  const inQuery = [...new URLSearchParams((url.text ?? '').split('?')[1] ?? '')];
  const service = inQuery.find(([name]) => name === 'service')?.[1];
  const environment = inQuery.find(([name]) => name === environmentParam)?.[1];
  const params = [
    ...inQuery
      .map(([name]) => name)
      .filter(
        (name) => name !== environmentParam && !/^(service|window|since|at|explain|pretty)$/.test(name),
      ),
    ...web.at('headers').items.flatMap((header) => {
      const name = /^x-canary-(.+)$/i.exec(header.at('key').text ?? '')?.[1];
      return name === undefined ? [] : [name.toLowerCase().replaceAll('-', '_')];
    }),
  ];
  return {
    question: {
      ...asked,
      sent: [...new Set(params)],
      maybeSent: [],
      ...(environment === undefined ? {} : { environment }),
      ...(service === undefined ? {} : service.includes('{{') ? { serviceByRollout: true } : { service }),
    },
    file: url.file,
    line: url.line,
    column: url.column,
  };
}
