// The text for screen readers: which heads are picked, and which token is inspected.
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import { speakPicked } from "../core/inspect";
import type { Opened } from "../core/view";

/** `standing` says how the head picked last scores. */
export function createSpoken(
  { subject, spoken, frames }: Context,
  opened: Opened,
  standing: () => string,
): HTMLElement[] {
  const region = () => h("div", { class: "xattn-hidden", attrs: { "aria-live": "polite" } });
  const [summary, inspected] = [region(), region()];
  frames.draw(() => {
    const picked = speakPicked(subject.pick().heads, standing());
    setText(summary, `${opened.value.view.summary?.() ?? ""} ${picked}`.trim());
  });
  frames.watch(() => setText(inspected, spoken.value));
  return [summary, inspected];
}
