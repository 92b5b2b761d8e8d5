// The widget's code: mounts a panel for each view of a model.
import { mountPanel } from "./panel";
import type { Model } from "./types";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  return mountPanel(model, el);
}

export default { render };
