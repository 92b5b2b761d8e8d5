// The offline page: mounts a panel on every host that the page holds, with its state from the page's JSON.
import { mountPanel } from "./panel";
import { createStaticModel, type StaticState } from "./static_model";

export function mountAll(page: Document): void {
  const hosts = [...page.getElementsByClassName("xattn-page")];
  const states = [...page.getElementsByClassName("xattn-state")];
  hosts.forEach((host, index) => {
    // Several outputs of one saved notebook may each bring this script.
    if (!(host instanceof HTMLElement) || host.dataset.xattnMounted !== undefined) return;
    const state = states[index];
    if (!state) return;
    host.dataset.xattnMounted = "";
    host.replaceChildren();
    try {
      mountPanel(createStaticModel(JSON.parse(state.textContent ?? "") as StaticState), host);
    } catch (error) {
      host.setAttribute("role", "alert");
      host.textContent = `The attention panel could not read this page's data: ${String(error)}`;
    }
  });
}

/** In a frame of a saved notebook the page is as high as what it shows. */
function fitFrame(): void {
  const frame = window.frameElement;
  if (!(frame instanceof Object) || !("style" in frame)) return;
  const fit = () => {
    (frame as HTMLElement).style.height = `${Math.ceil(document.body.getBoundingClientRect().height)}px`;
  };
  new ResizeObserver(fit).observe(document.body);
}

fitFrame();
if (document.readyState === "loading")
  document.addEventListener("DOMContentLoaded", () => mountAll(document), { once: true });
else mountAll(document);
