// The buttons beside the tabs, in one tab stop.
import type { Context } from "../core/context";
import { h } from "../core/dom";
import { oneTabStop } from "../core/tab_stop";

/** Each of `popovers` begins with its button. */
export function createTools({ signal }: Context, ...popovers: HTMLElement[]): HTMLElement {
  const element = h("div", { class: "xattn-tools-bar", attrs: { role: "toolbar", "aria-label": "Tools" } });
  element.append(...popovers);
  const buttons = popovers.map((popover) => [popover.querySelector("button") ?? popover]);
  oneTabStop(element, () => buttons, signal).refresh();
  return element;
}
