// The first stop of the panel, visible while it has the focus: it goes past the header and the tabs to the open view.
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import type { Opened } from "../core/view";

/** A button, because a link to a place in the page works neither in a shadow root nor in a notebook. */
export function createSkip({ frames, signal }: Context, opened: Opened): HTMLElement {
  const element = h("button", { class: "xattn-skip xattn-button", attrs: { type: "button" } });
  element.addEventListener(
    "click",
    () => {
      const { element: view } = opened.value.view;
      const stops = [...view.querySelectorAll<HTMLElement>('[tabindex="0"], button, select, input')];
      stops.find((stop) => stop.tabIndex >= 0 && stop.closest("[hidden]") === null)?.focus();
    },
    { signal },
  );
  frames.draw(() => {
    const hasTokens = opened.value.view.hint !== undefined;
    setText(element, hasTokens ? "Skip to the tokens" : "Skip to the view");
  });
  return element;
}
