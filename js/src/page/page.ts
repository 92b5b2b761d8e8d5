// The offline page: mounts a panel or a profile on each of its hosts, with the state from the page's JSON.
import { mountPanel } from "../panel";
import { mountProfile } from "../profile/controller";
import { createStaticModel, type StaticState } from "./model";
import { createProfileModel, type SavedProfile } from "./profile_model";

export function mountAll(page: Document): void {
  const hosts = [...page.getElementsByClassName("xattn-page")];
  const states = [...page.getElementsByClassName("xattn-state")];
  hosts.forEach((host, index) => {
    // Several outputs of one saved notebook may each contain this script.
    if (!(host instanceof HTMLElement) || host.dataset.xattnMounted !== undefined) return;
    const state = states[index];
    if (!state) return;
    host.dataset.xattnMounted = "";
    host.replaceChildren();
    try {
      mountState(JSON.parse(state.textContent ?? "") as StaticState | SavedProfile, host);
    } catch (error) {
      host.setAttribute("role", "alert");
      host.textContent = `The attention panel could not read this page's data: ${String(error)}`;
    }
  });
}

function mountState(state: StaticState | SavedProfile, host: HTMLElement): void {
  if ("app" in state) mountProfile(createProfileModel(state), host);
  else mountPanel(createStaticModel(state), host);
}

/** Reports the page's height to a saved notebook that contains it in a frame: the notebook sets the frame's height. */
function tellHeight(): void {
  if (window.parent === window) return;
  const tell = () => {
    const xattnHeight = Math.ceil(document.body.getBoundingClientRect().height);
    window.parent.postMessage({ xattnHeight }, "*");
  };
  new ResizeObserver(tell).observe(document.body);
}

function start(): void {
  // The fallback notes say that no script runs here.
  for (const note of [...document.getElementsByClassName("xattn-fallback")]) note.remove();
  mountAll(document);
  tellHeight();
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
else start();
