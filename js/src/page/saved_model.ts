// A model without a kernel: traits in memory, and replies that the page holds.
import type { Model, ModelCallback } from "../core/model";

export interface Answer {
  content: object;
  buffers: DataView[];
}

/** `answer` finds the reply to a request on the page, and throws an error in words where the page lacks it. */
export function createSavedModel<Request extends object>(
  saved: object,
  answer: (request: Request) => Answer | Promise<Answer>,
): Model {
  const traits: Record<string, unknown> = { ...saved };
  const listeners = new Map<string, Set<ModelCallback>>();
  const emit = (event: string, ...args: unknown[]) => {
    for (const listener of [...(listeners.get(event) ?? [])]) listener(...args);
  };

  return {
    get: (name) => traits[name as string],
    set(name, value) {
      if (traits[name as string] === value) return;
      traits[name as string] = value;
      emit(`change:${name as string}`);
    },
    save_changes() {},
    on(event: string, callback: ModelCallback) {
      listeners.set(event, (listeners.get(event) ?? new Set()).add(callback));
    },
    off(event, callback) {
      if (!event) listeners.clear();
      else if (!callback) listeners.delete(event);
      else listeners.get(event)?.delete(callback);
    },
    send(message: Request & { id: string }) {
      const { id } = message;
      // Later, as from a kernel: callers rely on the order.
      Promise.resolve()
        .then(() => answer(message))
        .then(({ content, buffers }) => emit("msg:custom", { id, ...content }, buffers))
        .catch((error: unknown) => {
          emit("msg:custom", { id, error: error instanceof Error ? error.message : String(error) }, []);
        });
    },
  };
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
