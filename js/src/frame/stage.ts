// The stage: draws the open view, or says why there is nothing to draw.
import { computed } from "@preact/signals-core";
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import { isOffered } from "../core/needs";
import type { MountedView, Opened } from "../core/view";

export function createStage(
  { store, loader, errands, active, frames, root, id }: Context,
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
    if (!needs.weights) return "";
    if (!scene) return errands.loading.value || "No weights to show.";
    if (scene.source.labels.length === 0 || scene.target.labels.length === 0)
      return "Every token here is special, and special tokens are dropped.";
    const axes = { source: scene.reply.source, target: scene.reply.target[scene.spec.reading] };
    return isOffered(needs, axes) ? "" : "This view is for another kind of source or target.";
  });

  frames.draw(() => {
    const { definition, view } = opened.value;
    setText(empty, obstacle.value);
    empty.hidden = obstacle.value === "";
    for (const other of views) other.view.element.hidden = other.view !== view || !empty.hidden;
    element.setAttribute("aria-labelledby", `${id}-tab-${definition.name}`);
    root.classList.toggle("xattn-undetailed", view.hint === undefined);
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
  // After the view: a new scene has new tokens to mark.
  frames.draw(() => {
    void store.get("orientation");
    void opened.value;
    active.refresh();
  });
  return element;
}
