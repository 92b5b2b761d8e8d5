// The stage: draws the open view, or says why there is nothing to draw.
import { computed } from "@preact/signals-core";
import type { Context } from "../core/context";
import { focusedIn, h, setText } from "../core/dom";
import { isOffered } from "../core/needs";
import { listSentences } from "../core/sentences";
import type { MountedView, Opened } from "../core/view";
import { tallest } from "./tallest";

export function createStage(
  { store, loader, errands, active, frames, readsOut, root, id }: Context,
  views: readonly MountedView[],
  opened: Opened,
): HTMLElement {
  const empty = h("div", { class: "xattn-empty" });
  const element = h(
    "div",
    { class: "xattn-view", attrs: { role: "tabpanel", id: `${id}-panel` } },
    empty,
    ...views.map(({ view }) => view.element),
  );
  /** Why the open view cannot be drawn; "" where it can. */
  const obstacle = computed(() => {
    const { needs } = opened.value.definition;
    const scene = loader.scene.value;
    const { length: sentences } = listSentences(store.get("info").sentences).targets;
    if (needs.several && sentences < 2) return "This view shows several sentences, and here is only one.";
    if (!needs.weights) return "";
    if (!scene) return errands.loading.value || "No weights to show.";
    if (scene.source.labels.length === 0 || scene.target.labels.length === 0)
      return scene.spec.drop === "drop_punctuation"
        ? "Every token here is special or punctuation, and both are dropped."
        : "Every token here is special, and special tokens are dropped.";
    const axes = { source: scene.reply.source, target: scene.reply.target[scene.spec.reading] };
    return isOffered(needs, axes, sentences) ? "" : "This view is for another kind of source or target.";
  });

  // The height for the tallest sentence is reserved, so that nothing below moves from one sentence to the next.
  frames.draw(() => {
    const { source, target } = tallest(store);
    element.style.setProperty("--xattn-most-units", String(Math.max(source, target)));
    element.style.setProperty("--xattn-most-targets", String(target));
  });
  let walked: { token: Element; list: Element } | null = null;
  frames.draw(() => {
    void loader.scene.value;
    const token = focusedIn(element);
    const list = token && element.contains(token) ? token.closest('[role="listbox"]') : null;
    walked = token && list ? { token, list } : null;
  });
  frames.draw(() => {
    const { definition, view } = opened.value;
    setText(empty, obstacle.value);
    empty.hidden = obstacle.value === "";
    for (const other of views) other.view.element.hidden = other.view !== view || !empty.hidden;
    element.setAttribute("aria-labelledby", `${id}-tab-${definition.name}`);
    root.classList.toggle("xattn-undetailed", view.hint === undefined);
    readsOut.value = view.readsOut ?? false;
    root.classList.toggle("xattn-reads-out", readsOut.value);
    root.classList.toggle("xattn-every-head", view.showsEveryHead ?? false);
  });
  for (const { view } of views)
    frames.draw(() => {
      if (opened.value.view === view && obstacle.value === "") view.draw();
    });
  frames.draw(() => {
    void store.get("orientation");
    const pin = active.pinned();
    if (obstacle.value === "") opened.value.view.reveal?.(pin);
  });
  frames.draw(() => {
    void loader.scene.value;
    // Another sentence has other tokens: whoever walked along those that are gone goes on from the first.
    if (walked && !walked.token.isConnected)
      walked.list.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  });
  // After the view: a new scene has new tokens to mark.
  frames.draw(() => {
    void store.get("orientation");
    void opened.value;
    active.refresh();
  });
  return element;
}
