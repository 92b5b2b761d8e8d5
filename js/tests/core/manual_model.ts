// A model whose replies a test sends by hand.
import type { Model } from "../../src/core/model";
import { createStaticModel } from "../../src/page/model";

/** A model that keeps what was sent; `answer` sends a reply to its listeners. */
export function manual() {
  const inner = createStaticModel({ traits: {}, sentences: [] });
  const sent: { id: string; kind: string }[] = [];
  const listeners: ((content: unknown, buffers: DataView[]) => void)[] = [];
  const model: Model = {
    ...inner,
    on: (event, callback) => {
      if (event === "msg:custom") listeners.push(callback);
    },
    off: (_event, callback) => {
      const index = callback ? listeners.indexOf(callback) : -1;
      if (index >= 0) listeners.splice(index, 1);
    },
    send: (content) => void sent.push(content as { id: string; kind: string }),
  };
  const answer = (content: unknown, buffers: DataView[] = []) => {
    for (const listener of [...listeners]) listener(content, buffers);
  };
  return { model, sent, answer, listeners };
}
