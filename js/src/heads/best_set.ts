// Goes back to the set of heads that was saved with the model, beside what its marks mean.
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import { isSet, setOf } from "../core/own_rows";

export function createBestSet({ store, gestures, subject, frames, signal }: Context): HTMLElement {
  const button = h("button", { class: "xattn-link xattn-small xattn-best-link", attrs: { type: "button" } });
  const known = () => setOf(store.get("info"), subject.pick().sentence);
  const isShown = () => isSet(known(), subject.pick().heads, store.get("reading"));
  button.addEventListener(
    "click",
    () => {
      const set = known();
      if (set && !isShown()) gestures.pickSet(set);
    },
    { signal },
  );
  frames.draw(() => {
    const set = known();
    const missing = store.get("info").sentences[subject.pick().sentence]?.missing ?? [];
    // A page of limited size may not have all of its heads.
    button.hidden = set?.heads.every(([layer, head]) => !missing[layer]?.includes(head)) !== true;
    const shown = isShown();
    // Only marked: a button that is disabled would drop the focus of whoever pressed it.
    button.setAttribute("aria-disabled", String(shown));
    setText(button, shown ? "The best set is shown" : "Show the best set");
    button.title = set
      ? `The mean of the ${set.heads.length} heads that align best, as saved with the model`
      : "";
  });
  return button;
}
