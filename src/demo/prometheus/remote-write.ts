/** Remote write 1.0, which Prometheus, Thanos, Mimir and VictoriaMetrics receive: protobuf, in snappy's format without compression. */

export interface StoredSeries {
  /** All labels, with `__name__`. */
  readonly metric: Readonly<Record<string, string>>;
  /** Epoch ms, ascending, and value. */
  readonly samples: readonly (readonly [atMs: number, value: number])[];
}

/** A request of more is slow to be refused and slow to be accepted. */
const maxSamples = 50_000;

export interface RemoteWriteOptions {
  /** Below the URL; `/api/v1/write` when left out. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Stores series in a backend; older samples than it has are accepted where its configuration allows it. Throws where it refuses. */
export async function remoteWrite(
  url: string,
  series: readonly StoredSeries[],
  options: RemoteWriteOptions = {},
): Promise<void> {
  let batch: StoredSeries[] = [];
  let samples = 0;
  for (const one of series) {
    batch.push(one);
    samples += one.samples.length;
    if (samples < maxSamples) continue;
    await send(url, batch, options);
    batch = [];
    samples = 0;
  }
  if (batch.length > 0) await send(url, batch, options);
}

async function send(
  url: string,
  series: readonly StoredSeries[],
  { path = '/api/v1/write', headers }: RemoteWriteOptions,
): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-protobuf',
      'Content-Encoding': 'snappy',
      'X-Prometheus-Remote-Write-Version': '0.1.0',
      ...headers,
    },
    body: new Uint8Array(snappy(writeRequest(series))),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} refused samples with ${response.status}: ${text.slice(0, 300)}`);
}

/** `WriteRequest` of prompb/remote.proto. */
function writeRequest(series: readonly StoredSeries[]): Buffer {
  return Buffer.concat(
    series.map(({ metric, samples }) => {
      const labels = Object.entries(metric)
        .filter(([, value]) => value !== '')
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([name, value]) => field(1, Buffer.concat([text(1, name), text(2, value)])));
      return field(1, Buffer.concat([...labels, samplesBytes(samples)]));
    }),
  );
}

/** Times of this century are six bytes. */
const timeBytes = 6;
const sampleBytes = 1 + 8 + 1 + timeBytes;

/** All in one buffer: there are tens of thousands. */
function samplesBytes(samples: StoredSeries['samples']): Buffer {
  const bytes = Buffer.alloc(samples.length * (2 + sampleBytes));
  let at = 0;
  for (const [atMs, value] of samples) {
    bytes[at] = (2 << 3) | 2;
    bytes[at + 1] = sampleBytes;
    bytes[at + 2] = (1 << 3) | 1;
    bytes.writeDoubleLE(value, at + 3);
    bytes[at + 11] = 2 << 3;
    let left = atMs;
    for (let i = 0; i < timeBytes; i += 1) {
      bytes[at + 12 + i] = (left % 0x80) | (i < timeBytes - 1 ? 0x80 : 0);
      left = Math.floor(left / 0x80);
    }
    at += 2 + sampleBytes;
  }
  return bytes;
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value));
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.from([...bytes, left]);
}

const maxLiteral = 65_536;
/** A literal whose length less one is in the two bytes that follow. */
const longLiteral = 61 << 2;

function snappy(bytes: Buffer): Buffer {
  const parts = [varint(bytes.length)];
  for (let at = 0; at < bytes.length; at += maxLiteral) {
    const literal = bytes.subarray(at, at + maxLiteral);
    const head = Buffer.from([longLiteral, 0, 0]);
    head.writeUInt16LE(literal.length - 1, 1);
    parts.push(head, literal);
  }
  return Buffer.concat(parts);
}
