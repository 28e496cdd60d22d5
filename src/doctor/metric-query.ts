/** What an SLO's query counts, as far as doctor compares it. */
export interface CountedEvents {
  readonly metric: string;
  /** Conditions that must hold: tag key → values. Negated ones are left out. */
  readonly conditions: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Every metric query in a text: a query alone, or a formula such as `a - b`. Both forms of filters are read. */
export function countedEvents(text: string): CountedEvents[] {
  return [...text.matchAll(/(?:^|[\s(+*/-])[a-z]+(?:\([^()]*\))?:([A-Za-z][\w.]*)\{([^{}]*)\}/g)].map(
    ([, metric, filter]) => ({ metric: metric as string, conditions: conditionsOf(filter as string) }),
  );
}

function conditionsOf(filter: string): Map<string, Set<string>> {
  const conditions = new Map<string, Set<string>>();
  const add = (key: string, values: readonly string[]) => {
    const known = conditions.get(key) ?? new Set();
    for (const value of values) known.add(value.trim());
    conditions.set(key, known);
  };
  const rest = filter.replace(
    /(?<![\w.@/-])([a-z@][\w.@/-]*)\s+(NOT\s+)?IN\s*\(([^()]*)\)/gi,
    (_, key: string, negated: string | undefined, values: string) => {
      if (negated === undefined) add(key, values.split(','));
      return ' ';
    },
  );
  for (const [, negated, key, value] of rest.matchAll(
    /(?<![\w.@/-])(!|NOT\s+)?([a-z@][\w.@/-]*):([^\s,()]+)/gi,
  )) {
    if (negated === undefined) add(key as string, [value as string]);
  }
  return conditions;
}
