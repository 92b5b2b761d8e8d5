// What the panel asks of the kernel, decoded, cached by bytes, and never asked twice at the same time.
import { ByteCache } from "./cache";
import { toBytes, toFloats } from "./codec";
import type {
  Aggregate,
  AlignmentReply,
  DataRequest,
  Head,
  LayerReply,
  Reading,
  ScoresReply,
  SentenceReply,
} from "./contract";
import type { Reply, Transport } from "./transport";

const CACHE_BYTES = 64 * 1024 * 1024;

export interface Data {
  sentence(sentence: number): Promise<SentenceReply>;
  layer(sentence: number, layer: number): Promise<LayerReply>;
  scores(sentence: number, name: string): Promise<ScoresReply>;
  /** Exact weights of one head, [target, source]. */
  head(sentence: number, layer: number, head: number): Promise<Float32Array>;
  /** How well these heads align, by the sentence's reference. */
  alignment(sentence: number, heads: Head[], aggregate: Aggregate, reading: Reading): Promise<AlignmentReply>;
  /** Exact weights of one target row, [heads][source]. */
  row(sentence: number, heads: Head[], target: number): Promise<Float32Array[]>;
  /** Exact weights of one source column, [heads][target]. */
  column(sentence: number, heads: Head[], source: number): Promise<Float32Array[]>;
  /** Forgets a score, whose function the user may have defined anew. */
  forgetScores(): void;
}

/**
 * `version` tells of a sentence which record it is at the moment, where records take each other's place: the kernel
 * is to answer for that one, and what is kept of another is not mistaken for it.
 */
export function createData(
  transport: Transport,
  version: (sentence: number) => number | undefined = () => undefined,
): Data {
  const cache = new ByteCache<unknown>(CACHE_BYTES);
  const pending = new Map<string, Promise<unknown>>();
  let scoreRound = 0;

  function load<V>(
    asked: DataRequest,
    decode: (reply: Reply) => V,
    bytes: (value: V) => number,
    round = 0,
  ): Promise<V> {
    const current = version(asked.sentence);
    const request = current === undefined ? asked : { ...asked, version: current };
    const key = `${round}:${JSON.stringify(request)}`;
    const held = cache.get(key);
    if (held !== undefined) return Promise.resolve(held as V);
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

  const floatBytes = (rows: Float32Array[]) => rows.reduce((sum, row) => sum + row.byteLength, 64);

  return {
    sentence: (sentence) =>
      load(
        { kind: "sentence", sentence },
        (reply) => reply.content as unknown as SentenceReply,
        (value) => JSON.stringify(value).length * 2,
      ),
    layer: (sentence, layer) =>
      load({ kind: "layer", sentence, layer }, decodeLayer, (value) => value.bytes.byteLength),
    scores: (sentence, name) =>
      load(
        { kind: "scores", sentence, name },
        (reply) => reply.content as unknown as ScoresReply,
        (value) => value.values.length * (value.values[0]?.length ?? 0) * 8,
        scoreRound,
      ),
    head: (sentence, layer, head) =>
      load(
        { kind: "head", sentence, layer, head },
        (reply) => toFloats(firstBuffer(reply)),
        (value) => value.byteLength,
      ),
    alignment: (sentence, heads, aggregate, reading) =>
      load(
        { kind: "alignment", sentence, heads, aggregate, reading },
        (reply) => reply.content as unknown as AlignmentReply,
        () => 256,
      ),
    row: (sentence, heads, target) =>
      load({ kind: "row", sentence, heads, target }, (reply) => splitRows(reply, heads.length), floatBytes),
    column: (sentence, heads, source) =>
      load(
        { kind: "column", sentence, heads, source },
        (reply) => splitRows(reply, heads.length),
        floatBytes,
      ),
    forgetScores() {
      scoreRound += 1;
    },
  };
}

function firstBuffer(reply: Reply): DataView {
  const view = reply.buffers[0];
  if (!view) throw new Error("the kernel's reply came without its numbers");
  return view;
}

function decodeLayer(reply: Reply): LayerReply {
  const shape = reply.content.shape as [number, number, number];
  // A copy, so that a small window does not keep a whole message alive.
  const bytes = toBytes(firstBuffer(reply)).slice();
  if (bytes.length !== shape[0] * shape[1] * shape[2])
    throw new Error(`the kernel sent ${bytes.length} weights for a layer of ${shape.join(" x ")}`);
  const missing = reply.content.missing as number[] | undefined;
  return missing ? { shape, bytes, missing } : { shape, bytes };
}

function splitRows(reply: Reply, heads: number): Float32Array[] {
  const flat = toFloats(firstBuffer(reply));
  const width = heads > 0 ? Math.floor(flat.length / heads) : 0;
  return Array.from({ length: heads }, (_, i) => flat.slice(i * width, (i + 1) * width));
}
