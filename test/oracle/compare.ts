export interface Difference {
  readonly field: string;
  readonly oracle: unknown;
  readonly product: unknown;
}

/** The product rounds these to 6 digits, or does not round them; counts must be equal. */
const noCounts =
  /\.(value|burnRate|evidence|sustainedEvidence|evidenceThreshold|rulesOutRate|shareEvidence|allowedRate|dispersion)$/;
const relativeTolerance = 6e-6;
const smallest = 1e-290;

/** Every member of the oracle's verdict must be in the product's; members that the oracle does not have are ignored. */
export function differences(oracle: unknown, product: unknown): Difference[] {
  const found: Difference[] = [];
  compare('', oracle, product, found);
  return found;
}

function compare(field: string, oracle: unknown, product: unknown, found: Difference[]): void {
  if (Array.isArray(oracle) && Array.isArray(product)) {
    const byKey = new Map(product.map((item) => [keyOf(item), item]));
    const [ours, theirs] = [oracle, product].map((items) => items.map(keyOf).join(', '));
    if (ours !== theirs) found.push({ field: `${field} in order`, oracle: ours, product: theirs });
    for (const item of oracle) compare(`${field}[${keyOf(item)}]`, item, byKey.get(keyOf(item)), found);
    return;
  }
  if (isObject(oracle) && isObject(product)) {
    for (const [name, value] of Object.entries(oracle))
      compare(field === '' ? name : `${field}.${name}`, value, product[name], found);
    for (const name of optional)
      if (name in product && !(name in oracle))
        found.push({ field: `${field}.${name}`, oracle: undefined, product: product[name] });
    return;
  }
  if (!same(oracle, product, noCounts.test(field))) found.push({ field, oracle, product });
}

/** Members that must be absent where the oracle leaves them out. */
const optional = [
  'noDataCause',
  'dispersion',
  'missingStatus',
  'unmetThreshold',
  'unreached',
  'wouldBe',
  'staleData',
  'clockSkewSeconds',
  'incompleteSeconds',
  'sustainedEvidence',
  'limitedPass',
  'leftOutMinutes',
  'serviceIncident',
  'warmUpMinutes',
];

function same(oracle: unknown, product: unknown, rounded: boolean): boolean {
  if (typeof oracle === 'number' && typeof product === 'number') {
    if (oracle === product) return true;
    // Counts have 6 decimals.
    if (!rounded) return Math.abs(oracle - product) < 1e-6;
    return (
      Math.abs(oracle - product) <= relativeTolerance * Math.abs(oracle) ||
      (Math.abs(oracle) < smallest && Math.abs(product) < smallest)
    );
  }
  return oracle === product;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** SLIs by their name, endpoints by theirs. */
function keyOf(item: unknown): string {
  if (!isObject(item)) return JSON.stringify(item);
  if ('sli' in item) return String(item.sli);
  return `${item.service} ${item.endpoint}`;
}
