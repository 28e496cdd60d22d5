/**
 * Metrics in the protobuf format of Prometheus (`io.prometheus.client.MetricFamily`, delimited), which is the only one that carries
 * native histograms. Written from metrics.proto of prometheus/client_model.
 */

export const protobufType =
  'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';

type Labels = Readonly<Record<string, string>>;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  while (left > 127) {
    bytes.push((left % 128) + 128);
    left = Math.floor(left / 128);
  }
  return Buffer.from([...bytes, left]);
}

const zigzag = (value: number) => varint(value < 0 ? -2 * value - 1 : 2 * value);
const tag = (field: number, wire: 0 | 1 | 2) => varint(field * 8 + wire);
const number = (field: number, value: number) => Buffer.concat([tag(field, 0), varint(value)]);
const signed = (field: number, value: number) => Buffer.concat([tag(field, 0), zigzag(value)]);

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, 1), bytes]);
}

function message(field: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([tag(field, 2), varint(content.length), content]);
}

const text = (field: number, value: string) => message(field, Buffer.from(value, 'utf8'));

function family(name: string, type: number, labels: Labels, value: Buffer, atMs?: number): Buffer {
  const pairs = Object.entries(labels).map(([key, one]) => message(1, text(1, key), text(2, one)));
  const time = atMs === undefined ? [] : [number(6, atMs)];
  const content = Buffer.concat([text(1, name), number(3, type), message(4, ...pairs, value, ...time)]);
  return Buffer.concat([varint(content.length), content]);
}

/** As of `atMs` (epoch ms), or of the scrape. */
export function counterText(name: string, labels: Labels, value: number, atMs?: number): Buffer {
  return family(name, 0, labels, message(3, double(1, value)), atMs);
}

/** A native histogram of these durations in seconds, with 2 to the power of `schema` buckets from one power of two to the next. */
export function nativeHistogram(
  name: string,
  labels: Labels,
  seconds: readonly number[],
  { schema = 3, atMs }: { readonly schema?: number; readonly atMs?: number } = {},
): Buffer {
  const byIndex = new Map<number, number>();
  for (const one of seconds) {
    const index = Math.ceil(Math.log2(one) * 2 ** schema);
    byIndex.set(index, (byIndex.get(index) ?? 0) + 1);
  }
  const indexes = [...byIndex.keys()].sort((a, b) => a - b);
  const counts = indexes.map((index) => byIndex.get(index) as number);
  const parts = [
    number(1, seconds.length),
    double(
      2,
      seconds.reduce((a, b) => a + b, 0),
    ),
    signed(5, schema),
    double(6, 2 ** -128),
    number(7, 0),
    ...indexes.map((index, i) => {
      const offset = i === 0 ? index : index - (indexes[i - 1] as number) - 1;
      return message(12, signed(1, offset), number(2, 1));
    }),
    ...counts.map((count, i) => signed(13, count - (counts[i - 1] ?? 0))),
  ];
  return family(name, 4, labels, message(7, ...parts), atMs);
}
