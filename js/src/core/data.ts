// Data from the kernel: decoded, cached by bytes, and never requested twice at the same time.
import { signal } from "@preact/signals-core";
import { ByteCache } from "./cache";
import { toBytes, toFloats } from "./codec";
import type {
  Aggregate,
  AlignmentReply,
  DataRequest,
  FileReply,
  Head,
  LayerReply,
  RowNames,
  ScoresReply,
  SentenceReply,
  WholeReply,
  WordTimesReply,
} from "./contract";
import type { ShownRows } from "./scored_rows";
import type { Reply, Transport } from "./transport";

const CACHE_BYTES = 64 * 1024 * 1024;

/** All heads of one layer: `bytes` is [heads, target, source], row-major, on a square-root scale. */
export interface LayerWeights extends LayerReply {
  bytes: Uint8Array;
}

/** A file of the record. */
export interface MediaFile extends FileReply {
  bytes: Uint8Array<ArrayBuffer>;
}

export interface Data {
  sentence(sentence: number): Promise<SentenceReply>;
  /** With `divided`: divided by the sinks. So are single heads, rows and columns. */
  layer(sentence: number, layer: number, divided?: boolean): Promise<LayerWeights>;
  /** Whether a layer is in the cache. */
  hasLayer(sentence: number, layer: number, divided?: boolean): boolean;
  /** With `shown`: of the rows that are shown. */
  scores(sentence: number, name: string, shown?: ShownRows | null): Promise<ScoresReply>;
  /** Exact weights of one head, [target, source]. */
  head(sentence: number, layer: number, head: number, divided?: boolean): Promise<Float32Array>;
  /** How well these heads agree with the sentence's reference. */
  alignment(
    sentence: number,
    heads: Head[],
    aggregate: Aggregate,
    reading: RowNames,
  ): Promise<AlignmentReply>;
  /** Exact weights of one target row, [heads][source]. */
  row(sentence: number, heads: Head[], target: number, divided?: boolean): Promise<Float32Array[]>;
  /** Exact weights of one source column, [heads][target]. */
  column(sentence: number, heads: Head[], source: number, divided?: boolean): Promise<Float32Array[]>;
  /** The picture of a record. */
  image(sentence: number): Promise<MediaFile>;
  /** The sound of a record. */
  sound(sentence: number): Promise<MediaFile>;
  /** What the encoder read, as a gray picture. */
  features(sentence: number): Promise<MediaFile>;
  /** The times of the words by these heads; by those known to be the best where there are none. */
  wordTimes(sentence: number, heads: Head[]): Promise<WordTimesReply>;
  /**
   * Loads a sentence ahead of any need, with its scores and, if `layers`, all its weights: the requests above are then
   * answered without a kernel. It has time: requests that someone waits for go first.
   */
  whole(sentence: number, layers: boolean): Promise<void>;
  /** Requests scores again the next time: the user may have redefined one. */
  forgetScores(): void;
}

/**
 * `version` identifies the current record of a sentence, where records replace one another: the kernel answers for the
 * current one, and values cached for another are not mistaken for its values.
 */
export function createData(
  transport: Transport,
  version: (sentence: number) => number | undefined = () => undefined,
): Data {
  const cache = new ByteCache<unknown>(CACHE_BYTES);
  const pending = new Map<string, Promise<unknown>>();
  const scoreRound = signal(0);

  function versioned<R extends DataRequest>(asked: R): R & { version?: number } {
    const current = version(asked.sentence);
    return current === undefined ? asked : { ...asked, version: current };
  }

  function keyOf(asked: DataRequest, round = 0): string {
    return [round, version(asked.sentence), ...Object.values(asked)].join("\0");
  }

  function load<V>(
    asked: DataRequest,
    decode: (reply: Reply) => V,
    bytes: (value: V) => number,
    round = 0,
  ): Promise<V> {
    const request = versioned(asked);
    const key = keyOf(asked, round);
    const cached = cache.get(key);
    if (cached !== undefined) return Promise.resolve(cached as V);
    const running = pending.get(key);
    if (running) return running as Promise<V>;
    const started = transport
      .request(request)
      .then((reply) => {
        const value = decode(reply);
        cache.set(key, value, bytes(value));
        return value;
      })
      .finally(() => pending.delete(key));
    pending.set(key, started);
    return started;
  }

  // Left out where it is false, as for layers that were loaded ahead.
  const part = (divided = false) => (divided ? { divided } : {});
  const floatBytes = (rows: Float32Array[]) => rows.reduce((sum, row) => sum + row.byteLength, 64);

  return {
    sentence: (sentence) =>
      load(
        { kind: "sentence", sentence },
        (reply) => reply.content as unknown as SentenceReply,
        sentenceBytes,
      ),
    layer: (sentence, layer, divided) =>
      load(
        { kind: "layer", sentence, layer, ...part(divided) },
        decodeLayer,
        (value) => value.bytes.byteLength,
      ),
    hasLayer: (sentence, layer, divided) =>
      cache.has(keyOf({ kind: "layer", sentence, layer, ...part(divided) })),
    scores: (sentence, name, shown) =>
      load(
        { kind: "scores", sentence, name, ...shown },
        (reply) => reply.content as unknown as ScoresReply,
        scoreBytes,
        scoreRound.value,
      ),
    head: (sentence, layer, head, divided) =>
      load(
        { kind: "head", sentence, layer, head, ...part(divided) },
        (reply) => toFloats(firstBuffer(reply)),
        (value) => value.byteLength,
      ),
    alignment: (sentence, heads, aggregate, reading) =>
      load(
        { kind: "alignment", sentence, heads, aggregate, reading },
        (reply) => reply.content as unknown as AlignmentReply,
        () => 256,
      ),
    row: (sentence, heads, target, divided) =>
      load(
        { kind: "row", sentence, heads, target, ...part(divided) },
        (reply) => splitRows(reply, heads.length),
        floatBytes,
      ),
    column: (sentence, heads, source, divided) =>
      load(
        { kind: "column", sentence, heads, source, ...part(divided) },
        (reply) => splitRows(reply, heads.length),
        floatBytes,
      ),
    image: (sentence) => load({ kind: "image", sentence }, decodeFile, (file) => file.bytes.byteLength),
    sound: (sentence) => load({ kind: "sound", sentence }, decodeFile, (file) => file.bytes.byteLength),
    features: (sentence) => load({ kind: "features", sentence }, decodeFile, (file) => file.bytes.byteLength),
    wordTimes: (sentence, heads) =>
      load(
        { kind: "word_times", sentence, heads },
        (reply) => reply.content as unknown as WordTimesReply,
        ({ words, path }) => 160 * words.length + 40 * path.length,
      ),
    async whole(sentence, layers) {
      const round = scoreRound.peek();
      const key = (asked: DataRequest) => keyOf(asked, asked.kind === "scores" ? round : 0);
      const keep = <V>(asked: DataRequest, value: V, bytes: number) => cache.set(key(asked), value, bytes);
      const asked = versioned({ kind: "whole", sentence, layers: layers ? "all" : "none" });
      const before = asked.version;
      const { content, buffers } = await transport.askAhead(asked);
      // Another record may have taken the sentence's place in the meantime.
      if (version(sentence) !== before) return;
      const reply = content as unknown as WholeReply;
      // Views keep their tokens as long as the axes are the same objects.
      if (cache.get(key({ kind: "sentence", sentence })) === undefined)
        keep({ kind: "sentence", sentence }, reply.sentence, sentenceBytes(reply.sentence));
      for (const [name, score] of Object.entries(reply.scores))
        keep({ kind: "scores", sentence, name }, score, scoreBytes(score));
      buffers.forEach((buffer, layer) => {
        const outside = reply.outside?.[layer];
        const content = { shape: reply.shape, ...(outside ? { outside } : {}) };
        const weights = decodeLayer({ content, buffers: [buffer] });
        keep({ kind: "layer", sentence, layer }, weights, weights.bytes.byteLength);
      });
    },
    forgetScores() {
      scoreRound.value = scoreRound.peek() + 1;
    },
  };
}

function scoreBytes({ values }: ScoresReply): number {
  return values.length * (values[0]?.length ?? 0) * 8;
}

/** The approximate memory of a sentence's labels, which may be many and long. */
function sentenceBytes({ source, target }: SentenceReply): number {
  const texts = [source, target.output, target.input].flatMap(({ labels, words }) => [...labels, ...words]);
  return texts.reduce((sum, text) => sum + 2 * text.length + 64, 256);
}

function firstBuffer(reply: Reply): DataView {
  const view = reply.buffers[0];
  if (!view) throw new Error("the kernel's reply came without its numbers");
  return view;
}

function decodeLayer(reply: Reply): LayerWeights {
  const shape = reply.content.shape as [number, number, number];
  // A copy, so that a small window does not keep a whole message alive.
  const bytes = toBytes(firstBuffer(reply)).slice();
  if (bytes.length !== shape[0] * shape[1] * shape[2])
    throw new Error(`the kernel sent ${bytes.length} weights for a layer of ${shape.join(" x ")}`);
  const missing = reply.content.missing as number[] | undefined;
  const outside = reply.content.outside as number[][] | undefined;
  return { shape, bytes, ...(missing ? { missing } : {}), ...(outside ? { outside } : {}) };
}

function decodeFile(reply: Reply): MediaFile {
  return { mime: reply.content.mime as string, bytes: toBytes(firstBuffer(reply)).slice() };
}

function splitRows(reply: Reply, heads: number): Float32Array[] {
  const flat = toFloats(firstBuffer(reply));
  const width = heads > 0 ? Math.floor(flat.length / heads) : 0;
  return Array.from({ length: heads }, (_, i) => flat.slice(i * width, (i + 1) * width));
}
