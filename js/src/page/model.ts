// The model of a page with the panel: replies that the page holds for each sentence.
import type {
  AlignmentReply,
  Dropping,
  FileReply,
  Head,
  LayerReply,
  Reading,
  Request,
  ScoresReply,
  SentenceReply,
  Traits,
  WordTimesReply,
} from "../core/contract";
import { equal } from "../core/equal";
import type { Model } from "../core/model";
import { type Answer, createSavedModel, fromBase64 } from "./saved_model";

/** A reply, or the error that Python raised for it. */
type Saved<Reply> = Reply | { error: string };

/** A layer, each head deflated, in base64; null for one that was left out. */
export interface SavedLayer extends LayerReply {
  heads: (string | null)[];
}

/** An alignment together with the pick that it is for. */
export interface SavedAlignment {
  pick: Pick<Extract<Request, { kind: "alignment" }>, "heads" | "aggregate" | "reading">;
  reply: Saved<AlignmentReply>;
}

/** All replies about one sentence. */
export interface SavedSentence {
  sentence: Saved<SentenceReply>;
  scores: Record<string, Saved<ScoresReply>>;
  /** The scores of the rows that a reading shows, by what is dropped from them. */
  as_shown?: Partial<Record<Dropping, Partial<Record<Reading, Record<string, Saved<ScoresReply>>>>>>;
  layers: SavedLayer[];
  alignments?: SavedAlignment[];
  /** The picture, or the sound and the picture of its features, in base64; left out where they did not fit. */
  image?: FileReply & { buffer: string };
  sound?: FileReply & { buffer: string };
  features?: FileReply & { buffer: string };
  word_times?: { heads: Head[]; reply: Saved<WordTimesReply> }[];
}

export interface StaticState {
  traits: Partial<Traits>;
  sentences: SavedSentence[];
}

export function createStaticModel(state: StaticState): Model {
  return createSavedModel(state.traits, (request: Request) => answer(state, request));
}

async function answer({ sentences }: StaticState, request: Request): Promise<Answer> {
  const saved = request.kind === "live" ? undefined : sentences[request.sentence];
  if (saved && isFile(request.kind)) return savedFile(saved, request.kind);
  const content = saved && savedReply(saved, request);
  if (!content) throw new Error("this page was saved without these numbers");
  if (request.kind !== "layer") return { content, buffers: [] };
  const { heads, ...reply } = content as SavedLayer;
  return { content: reply, buffers: [await layerBytes(heads, reply.shape)] };
}

/** The files of a record, by the request for them, in words. */
const FILES = { image: "the picture", sound: "sound", features: "the picture of sound" } as const;

function isFile(kind: string): kind is keyof typeof FILES {
  return Object.hasOwn(FILES, kind);
}

function savedFile(saved: SavedSentence, kind: keyof typeof FILES): Answer {
  const file = saved[kind];
  if (!file) throw new Error(`this page was saved without ${FILES[kind]}`);
  const { buffer, ...content } = file;
  return { content, buffers: [new DataView(fromBase64(buffer).buffer)] };
}

function savedReply(saved: SavedSentence, request: Request): object | SavedLayer | undefined {
  switch (request.kind) {
    case "sentence":
      return saved.sentence;
    case "scores":
      return savedScore(
        request.as_shown ? saved.as_shown?.[request.special ?? "drop"]?.[request.as_shown] : saved.scores,
        request.name,
      );
    case "layer":
      return saved.layers[request.layer];
    case "alignment": {
      const { heads, aggregate, reading } = request;
      return saved.alignments?.find(({ pick }) => equal(pick, { heads, aggregate, reading }))?.reply;
    }
    case "word_times":
      return saved.word_times?.find(({ heads }) => equal(heads, request.heads))?.reply;
    default:
      return undefined;
  }
}

function savedScore(replies: SavedSentence["scores"] | undefined, name: string): object | undefined {
  return replies && Object.hasOwn(replies, name) ? replies[name] : undefined;
}

/** The bytes of a whole layer, with zeros where a head was left out. */
async function layerBytes(
  heads: (string | null)[],
  [, rows, columns]: LayerReply["shape"],
): Promise<DataView> {
  const bytes = new Uint8Array(heads.length * rows * columns);
  await Promise.all(
    heads.map(async (head, index) => {
      if (head !== null) bytes.set(await inflate(head), index * rows * columns);
    }),
  );
  return new DataView(bytes.buffer);
}

async function inflate(text: string): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined")
    throw new Error("this browser is too old to unpack the page's weights");
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  // Errors in the data also reach the reader below, which reports them.
  writer.write(fromBase64(text)).catch(() => {});
  writer.close().catch(() => {});
  return new Uint8Array(await new Response(readable).arrayBuffer());
}
