import { grpcCodes, grpcStatuses } from '../domain/sli/failure.ts';

/** What to write where a text or a number is not a definition of failure, or not an entry of a list of statuses. */
export function failureFix(value: unknown, isInList: boolean): string | undefined {
  const text = String(value);
  const status = grpcStatuses.find((name) => name === text.toUpperCase());
  if (status !== undefined) {
    return `Write failure: { grpc: [${status}] }, with all statuses that fail. A list without grpc has statuses of HTTP.`;
  }
  if (/^[1-5][0-9]{2}$/.test(text))
    return isInList ? `Write ${text} without quotes.` : `Write failure: [5xx, ${text}].`;
  if (/^[1-5]xx$/i.test(text)) {
    const name = text.toLowerCase();
    return isInList || name === '5xx' ? `Write ${name}.` : `Write failure: [5xx, ${name}].`;
  }
  if (isInList && /^(grpc|errors)$/i.test(text)) {
    return `Write failure: ${text.toLowerCase()}, without a list. One definition holds: a list has statuses of HTTP only.`;
  }
  return undefined;
}

/** What to write for a key that is not one of the mapping `failure`. */
export function failureKeyFix(key: string, mapping: unknown): string | undefined {
  if (typeof mapping === 'object' && mapping !== null && 'grpc' in mapping)
    return `One definition holds: remove ${key}, or write failure: errors or a list of statuses in place of grpc.`;
  return key === 'errors' ? 'Write failure: errors.' : undefined;
}

/** What to write for the key `grpc` beside `failure`, with the statuses that it has. */
export function grpcKeyFix(value: unknown): string {
  const names = (Array.isArray(value) ? value : [value]).filter((name) => grpcStatuses.includes(name));
  return names.length > 0
    ? `Write failure: { grpc: [${names.join(', ')}] }.`
    : 'Write failure: grpc, or failure: { grpc: [...] } with statuses of your choice, such as UNAVAILABLE.';
}

/** What to write for a value that is not the name of a status of gRPC. OK would be refused. */
export function grpcStatusFix(value: unknown): {
  readonly fix: string;
  readonly unknown: { readonly name: string; readonly known: readonly string[] };
} {
  const known = grpcStatuses.filter((name) => name !== 'OK');
  const name = known.find((one) => grpcCodes[one] === value) ?? String(value);
  return { fix: `Write names of statuses: ${known.join(', ')}.`, unknown: { name, known } };
}
