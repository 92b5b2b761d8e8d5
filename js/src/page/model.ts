// A model without a kernel: traits in memory, and replies looked up in the page's own JSON.
import type { Model, ModelCallback } from "../core/contract";

interface PageReply {
  request: unknown;
  reply: Record<string, unknown>;
  buffers?: string[];
  /** A layer's heads, each deflated; null for one that was left out. */
  heads?: (string | null)[];
}

export interface StaticState {
  traits: Record<string, unknown>;
  replies: PageReply[];
}

/** JSON with sorted keys, so that two writers of one request agree. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, held]) => `${JSON.stringify(key)}:${canonical(held)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflate(text: string): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined")
    throw new Error("this browser is too old to unpack the page's weights");
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  // What is wrong with the data is told to the reader, below.
  writer.write(fromBase64(text)).catch(() => {});
  writer.close().catch(() => {});
  return new Uint8Array(await new Response(readable).arrayBuffer());
}

/** The bytes of a whole layer, zeros where a head was left out. */
async function layerBytes(heads: (string | null)[], shape: number[]): Promise<DataView> {
  const [, rows = 0, columns = 0] = shape;
  const bytes = new Uint8Array(heads.length * rows * columns);
  await Promise.all(
    heads.map(async (head, index) => {
      if (head !== null) bytes.set(await inflate(head), index * rows * columns);
    }),
  );
  return new DataView(bytes.buffer);
}

export function createStaticModel(state: StaticState): Model {
  const traits: Record<string, unknown> = { ...state.traits };
  const replies = new Map(state.replies.map((entry) => [canonical(entry.request), entry]));
  const listeners = new Map<string, Set<ModelCallback>>();
  const emit = (event: string, ...args: unknown[]) => {
    for (const listener of [...(listeners.get(event) ?? [])]) listener(...args);
  };

  return {
    get: (name) => traits[name],
    set(name, value) {
      if (traits[name] === value) return;
      traits[name] = value;
      emit(`change:${name}`);
    },
    save_changes() {},
    on(event, callback) {
      const held = listeners.get(event) ?? new Set();
      listeners.set(event, held.add(callback));
    },
    off(event, callback) {
      if (!event) listeners.clear();
      else if (!callback) listeners.delete(event);
      else listeners.get(event)?.delete(callback);
    },
    send(content) {
      const { id, ...request } = content as Record<string, unknown>;
      const entry = replies.get(canonical(request));
      // Later, as from a kernel: a caller must be able to rely on the order.
      const answer = async (): Promise<void> => {
        await null;
        if (!entry) throw new Error("this page was saved without these numbers");
        const { reply, heads } = entry;
        const buffers = heads
          ? [await layerBytes(heads, reply.shape as number[])]
          : (entry.buffers ?? []).map((text) => new DataView(fromBase64(text).buffer));
        emit("msg:custom", { id, ...reply }, buffers);
      };
      answer().catch((error: unknown) => {
        emit("msg:custom", { id, error: error instanceof Error ? error.message : String(error) }, []);
      });
    },
  };
}
