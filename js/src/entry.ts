// The widget's code: mounts a panel for each view of a model.
import type { Model } from "./core/model";
import { mountPanel } from "./panel";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  return mountPanel(model, el);
}

export default { render };
