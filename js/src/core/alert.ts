// What went wrong, above the view that it concerns.
import { h, setText } from "./dom";
import type { Errands } from "./errands";
import type { Frames } from "./frames";

/** What went wrong, with a way to try again. */
export function createAlert(errands: Errands, frames: Frames, signal: AbortSignal): HTMLElement {
  const message = h("span");
  const retry = h("button", { class: "xattn-button", text: "Retry", attrs: { type: "button" } });
  const box = h("div", { class: "xattn-alert-box" }, message, retry);
  const element = h("div", { class: "xattn-alert", attrs: { role: "alert" } });
  retry.addEventListener("click", () => errands.retry(), { signal });
  frames.draw(() => {
    const error = errands.error.value;
    setText(message, error?.text ?? "");
    if (error === null) element.replaceChildren();
    else if (!element.contains(box)) element.replaceChildren(box);
  });
  return element;
}
