import { describe, expect, it } from 'vitest';
import { migrate } from '../../src/migrate/migrate.ts';

const template = (metric: string, url = 'http://cuj-gate:8080/cujs/login/status') => `
kind: AnalysisTemplate
spec:
  metrics:
    - name: login # keep me
      provider:
        web: { url: "${url}",   jsonPath: "{$}" }
${metric}`;

describe('texts', () => {
  it('get new names of metrics and log messages, and keep all the rest', () => {
    const file = 'alerts.yaml';
    const text = [
      '# cuj_gate_inflight_questions, as the gate calls it',
      'expr:   "sum(cuj_gate_inflight_questions)  >  5"   # odd spaces stay\r',
      'query: \'service:cuj-gate "shared cache in use"\'',
      '',
    ].join('\n');
    const { text: now, renamings } = migrate({ file, text });
    expect(now).toBe(
      text
        .replaceAll('cuj_gate_inflight_questions', 'cuj_gate_inflight_requests')
        .replace('shared cache in use', 'shared cache connected'),
    );
    expect(renamings.map(({ line, column, kind }) => [line, column, kind])).toEqual([
      [1, 3, 'metric'],
      [2, 14, 'metric'],
      [3, 27, 'log message'],
    ]);
    expect(migrate({ file, text: now }).renamings).toEqual([]);
  });

  it('keep names that only begin or end like an old one', () => {
    const text = 'my_cuj_gate_inflight_questions cuj_gate_inflight_questions_total we ask Datadog, "silence"';
    expect(migrate({ file: 'notes.txt', text }).text).toBe(text);
  });

  it('get a new name of a span only where the text in quotes is the whole of it', () => {
    const { text } = migrate({ file: 'monitor.tf', text: 'name = "ask Datadog" # we ask Datadog' });
    expect(text).toBe('name = "query Datadog" # we ask Datadog');
  });
});

describe('templates', () => {
  it('get new names of JSON fields in jsonPath and conditions', () => {
    const text = template(`      successCondition: result.verdict == "pass" && result.silence == ""
      failureCondition: 'any(result.slis, {.upperBound > 1 || #["statusGap"] != nil})'
`);
    const { text: now, renamings } = migrate({ file: 't.yaml', text });
    expect(now).toBe(
      text
        .replace('.silence', '.noDataCause')
        .replace('.upperBound', '.rulesOutRate')
        .replace('"statusGap"', '"missingStatus"'),
    );
    expect(renamings.map(({ line }) => line)).toEqual([8, 9, 9]);
  });

  it('keep the fields of other providers', () => {
    const metric = '      successCondition: result.observed > 1\n';
    const text = template(metric, 'http://prometheus/api/v1/query');
    expect(migrate({ file: 't.yaml', text }).text).toBe(text);
    expect(migrate({ file: 't.yaml', text: template(metric) }).text).toContain('result.wouldBe > 1');
  });

  it('are read in lists and beside other documents', () => {
    const text = `kind: ConfigMap\n---\nkind: List\nitems:\n  -${template(
      '      successCondition: result.observed == "pass"\n',
    ).replaceAll('\n', '\n    ')}`;
    expect(migrate({ file: 't.yaml', text }).renamings).toHaveLength(1);
  });

  it('leave a field to a person that nothing took the place of', () => {
    const text = template('      failureCondition: result.slis[0].badMinutes > 2\n');
    const { text: now, undecided } = migrate({ file: 't.yaml', text });
    expect(now).toBe(text);
    expect(undecided).toMatchObject([{ file: 't.yaml', line: 8, column: 40 }]);
    expect(undecided[0]?.problem).toContain('badMinutes');
  });
});

describe('records', () => {
  const record = (whole: string) =>
    `{ "format": "cuj-gate/verdict-record/v1",\n  "measurement": { "both": 1, "whole": ${whole} } }\n`;

  it('get new names where they are keys of the whole, and nowhere else', () => {
    const { text } = migrate({ file: 'r.json', text: record('{"neither":[1],  "both":[2]}') });
    expect(text).toBe(record('{"unmatched":[1],  "overlapping":[2]}'));
  });

  it('of another format are kept', () => {
    const text = record('{"neither":[1]}').replace('cuj-gate/', 'other/');
    expect(migrate({ file: 'r.json', text }).text).toBe(text);
  });
});

describe('registries', () => {
  it('leave a placeholder that is called {at} to a person', () => {
    const text =
      'apiVersion: cuj-gate/v1\nservices:\n  api: { canary: "version:{at}", env: "{at}" }\ncujs: []\n';
    const { undecided, renamings } = migrate({ file: 'cujs.yaml', text });
    expect(renamings).toEqual([]);
    expect(undecided).toMatchObject([{ line: 3, column: 27 }]);
  });
});

it('says where a file could not be read as YAML, and still replaces metrics', () => {
  const text = 'a: {{ .Values.a }}\nb: cuj_gate_inflight_questions\n- c\n';
  const { text: now, partly } = migrate({ file: 'chart/templates/x.yaml', text });
  expect(now).toContain('cuj_gate_inflight_requests');
  expect(partly).toMatch(/^it is not plain YAML \(.+ at line \d+, column \d+\)$/);
});
