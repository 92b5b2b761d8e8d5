// The widget's code: mounts a panel, or the view of a corpus, for each view of a model.
import type { Model } from "./core/model";
import { mountCorpus } from "./corpus/controller";
import { mountPanel } from "./panel";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  return model.get("_app") === "corpus" ? mountCorpus(model, el) : mountPanel(model, el);
}

export default { render };
