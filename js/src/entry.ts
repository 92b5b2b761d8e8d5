// The widget's code: mounts a panel, or the view of a corpus or a profile, for each view of a model.
import type { Model } from "./core/model";
import { mountCorpus } from "./corpus/controller";
import { mountPanel } from "./panel";
import { mountProfile } from "./profile/controller";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  switch (model.get("_app")) {
    case "corpus":
      return mountCorpus(model, el);
    case "profile":
      return mountProfile(model, el);
    default:
      return mountPanel(model, el);
  }
}

export default { render };
