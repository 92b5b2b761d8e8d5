// The anywidget module that a host loads for each widget. A page never frees a module, so this one is small: the panel's
// own code comes in a trait, and is loaded once per page.
import type { Model } from "./core/model";

interface Panel {
  default: { render(props: { model: Model; el: HTMLElement }): () => void };
}

const page = globalThis as { xattnPanels?: Map<string, Promise<Panel>> };

function load(code: string): Promise<Panel> {
  page.xattnPanels ??= new Map();
  let panel = page.xattnPanels.get(code);
  if (!panel) {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    panel = import(/* @vite-ignore */ url).finally(() => URL.revokeObjectURL(url)) as Promise<Panel>;
    page.xattnPanels.set(code, panel);
  }
  return panel;
}

async function render(props: { model: Model; el: HTMLElement }): Promise<() => void> {
  const panel = await load(String(props.model.get("_code")));
  return panel.default.render(props);
}

export default { render };
