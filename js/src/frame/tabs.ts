// The tab bar: a tab for each view, then token search, export and the list of keys.
import type { Context } from "../core/context";
import { h } from "../core/dom";
import { claim } from "../core/keyboard";
import { isOffered } from "../core/needs";
import { listSentences } from "../core/sentences";
import type { MountedView } from "../core/view";

export function createTabs(
  { store, loader, frames, id, signal }: Context,
  views: readonly MountedView[],
  ...tools: HTMLElement[]
): HTMLElement {
  const tabs = views.map(({ definition: { name, label, needs }, view: { title } }) => ({
    name,
    needs,
    button: h("button", {
      class: "xattn-tab",
      text: label,
      title,
      attrs: { type: "button", role: "tab", id: `${id}-tab-${name}`, "aria-controls": `${id}-panel` },
    }),
  }));
  const list = h(
    "div",
    { class: "xattn-tabs", attrs: { role: "tablist", "aria-label": "View" } },
    ...tabs.map(({ button }) => button),
  );

  for (const { name, button } of tabs) {
    button.addEventListener("click", () => store.set({ panel: name }), { signal });
    button.addEventListener(
      "keydown",
      (event) => {
        const offered = tabs.filter((tab) => !tab.button.hidden);
        const index = offered.findIndex((tab) => tab.button === button);
        const last = offered.length - 1;
        const step = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: last }[event.key];
        if (step === undefined) return;
        claim(event);
        const next = offered[(step + offered.length) % offered.length];
        next?.button.focus();
        if (next) store.set({ panel: next.name });
      },
      { signal },
    );
  }

  frames.draw(() => {
    const open = store.get("panel");
    const reply = loader.scene.value?.reply;
    const axes = reply ? { source: reply.source, target: reply.target.output } : null;
    const { targets } = listSentences(store.get("info").sentences);
    for (const { name, needs, button } of tabs) {
      button.hidden = name !== open && !isOffered(needs, axes, targets.length);
      button.setAttribute("aria-selected", String(name === open));
      button.tabIndex = name === open ? 0 : -1;
    }
  });
  return h("div", { class: "xattn-tabbar" }, list, h("div", { class: "xattn-beside-tabs" }, ...tools));
}
