// A model without a kernel: traits in memory, and replies looked up in the page's own JSON.
import type { Model, ModelCallback } from "./types";

export interface StaticState {
  traits: Record<string, unknown>;
  replies: { request: unknown; reply: Record<string, unknown>; buffers: string[] }[];
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

function fromBase64(text: string): DataView {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
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
      queueMicrotask(() => {
        if (entry) emit("msg:custom", { id, ...entry.reply }, entry.buffers.map(fromBase64));
        else emit("msg:custom", { id, error: "this page was saved without these numbers" }, []);
      });
    },
  };
}
