// The tabs of the views, and the button that opens the options where they do not fit.
import type { Context } from "../core/context";
import { h } from "../core/dom";
import { claim } from "../core/keyboard";
import { isOffered } from "../core/needs";
import { listSentences } from "../core/sentences";
import type { MountedView } from "../core/view";

export interface Tabs {
  element: HTMLElement;
  /** Where more buttons of the bar go. */
  bar: HTMLElement;
}

export function createTabs(
  { store, loader, frames, id, signal }: Context,
  views: readonly MountedView[],
  openOptions: (open: boolean) => void,
): Tabs {
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
  const toggle = h("button", {
    class: "xattn-toggle",
    text: "Options",
    attrs: { type: "button", "aria-expanded": "false", "aria-controls": `${id}-options` },
  });
  const bar = h("div", { class: "xattn-bar-tools" }, toggle);
  const element = h("div", { class: "xattn-tabbar" }, list, bar);

  toggle.addEventListener(
    "click",
    () => {
      const open = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(open));
      openOptions(open);
    },
    { signal },
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
  return { element, bar };
}
