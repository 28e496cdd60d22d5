/** Lists of names in sentences. */

/** `a, b`, and of a longer list `a, b and 3 more`. */
export function listed(texts: readonly string[], max = 8): string {
  const more = texts.length - max;
  return more > 0 ? `${texts.slice(0, max).join(', ')} and ${more} more` : texts.join(', ');
}

/** Each once: `a, b or c`. */
export function joined(texts: readonly string[], join: 'and' | 'or'): string {
  const all = [...new Set(texts)];
  const last = all.pop() ?? '';
  return all.length === 0 ? last : `${all.join(', ')} ${join} ${last}`;
}
