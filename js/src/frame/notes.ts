// What a reader must know about the shown weights, below the view.
import type { Context } from "../core/context";
import { h } from "../core/dom";

export function createNotes({ store, loader, frames }: Context): HTMLElement {
  const element = h("ul", { class: "xattn-notes" });
  frames.draw(() => {
    const { notice } = store.get("info");
    const texts = [...(notice ? [notice] : []), ...(loader.scene.value?.reply.notes ?? [])];
    element.replaceChildren(...texts.map((text) => h("li", { text })));
  });
  return element;
}
