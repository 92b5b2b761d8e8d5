// Mounts a panel: the parts around the views, and the views of the registry.
import { computed } from "@preact/signals-core";
import { type Context, createContext } from "./core/context";
import type { Model } from "./core/model";
import type { MountedView, Opened, ViewDefinition } from "./core/view";
import { createExperiments } from "./experiments/controller";
import { createExport } from "./frame/export";
import { createHeader } from "./frame/header";
import { createKeys } from "./frame/keys";
import { createNotes } from "./frame/notes";
import { createOptions } from "./frame/options";
import { createPicked } from "./frame/picked";
import { createReadout } from "./frame/readout";
import { createSearch } from "./frame/search";
import { createRoot, fillRoot, type Parts } from "./frame/shell";
import { createSkip } from "./frame/skip";
import { createSpoken } from "./frame/spoken";
import { createStage } from "./frame/stage";
import { createStatus } from "./frame/status";
import { createTabs } from "./frame/tabs";
import { createTools } from "./frame/tools";
import { createHeads } from "./heads/controller";
import { VIEWS } from "./views";

/** Returns a function that takes everything down again. */
export function mountPanel(
  model: Model,
  host: HTMLElement,
  definitions: readonly ViewDefinition[] = VIEWS,
): () => void {
  const closing = new AbortController();
  const root = createRoot();
  // Put into the page before anything reads its style.
  host.append(root);
  const context = createContext(model, root, closing.signal);
  const views = definitions.map((definition) => ({ definition, view: definition.mount(context) }));
  fillRoot(root, createParts(context, views));
  keepKeys(context);
  return () => {
    closing.abort();
    root.remove();
  };
}

function createParts(context: Context, views: readonly MountedView[]): Parts {
  const opened = openedView(context, views);
  const experiments = createExperiments(context);
  const heads = createHeads(context, opened, experiments.mute);
  const tools = createTools(context, createExport(context, opened), createKeys(context));
  return {
    ...heads,
    ...createStatus(context, opened),
    skip: createSkip(context, opened),
    header: createHeader(context),
    tabs: createTabs(context, views, createSearch(context, opened), tools),
    experiments: experiments.element,
    options: createOptions(context, opened),
    picked: createPicked(context, opened),
    stage: createStage(context, views, opened),
    readout: createReadout(context, opened),
    notes: createNotes(context),
    spoken: createSpoken(context, opened, () => heads.standing.value),
  };
}

function openedView({ store }: Context, views: readonly MountedView[]): Opened {
  return computed(() => {
    const name = store.get("panel");
    const found = views.find(({ definition }) => definition.name === name) ?? views[0];
    if (!found) throw new Error("the panel needs at least one view");
    return found;
  });
}

/** The host's own keys (JupyterLab cuts a cell by "x") must not act on someone who walks along tokens or moves a
 * slider. */
export function keepKeys({ root, signal }: Pick<Context, "root" | "signal">): void {
  root.addEventListener(
    "keydown",
    (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    },
    { signal },
  );
}
