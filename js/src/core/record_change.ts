// Tells views when another record is shown, or the same one made again.
import type { Frames } from "./frames";
import type { Store } from "./store";

/** Calls `change` now, and whenever the sentence that is shown is another record than before. */
export function onRecordChange(frames: Frames, store: Store, change: () => void): void {
  let shown = "";
  frames.watch(() => {
    const sentence = store.get("sentence");
    const key = `${sentence} ${store.get("info").sentences[sentence]?.version}`;
    if (key === shown) return;
    shown = key;
    change();
  });
}
