// What the panel waits for, what was just done, and what went wrong, with a way out.
import { NO_ANSWER } from "../core/constants";
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import type { Opened } from "../core/view";

/** How long a message about what was done stays, in milliseconds. */
const TOLD = 2500;

export function createStatus(context: Context, opened: Opened): { loading: HTMLElement; alert: HTMLElement } {
  return { loading: createLoading(context, opened), alert: createAlert(context) };
}

function createLoading(
  { errands, loader, told, frames, root, signal }: Context,
  opened: Opened,
): HTMLElement {
  const element = h("div", { class: "xattn-loading", attrs: { role: "status" } });
  let waiting = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  frames.draw(() => {
    const loading = errands.loading.value;
    root.classList.toggle("xattn-waiting", loading !== "");
    // Without a scene, the empty view says it already.
    const text = loader.scene.value || opened.value.view.hint === undefined ? loading : "";
    if (text === waiting) return;
    waiting = text;
    clearTimeout(timer);
    setText(element, text);
  });
  frames.watch(() => {
    if (!told.value) return;
    clearTimeout(timer);
    setText(element, told.value.text);
    timer = setTimeout(() => setText(element, waiting), TOLD);
  });
  return element;
}

function createAlert({ errands, store, frames, signal }: Context): HTMLElement {
  const message = h("span", { class: "xattn-alert-text" });
  const advice = h("span", { class: "xattn-muted" });
  const retry = h("button", { class: "xattn-button", text: "Retry", attrs: { type: "button" } });
  const box = h("div", { class: "xattn-alert-box" }, h("div", {}, message, advice), retry);
  // The alert region is there from the start: what is added to it later is read out.
  const element = h("div", { class: "xattn-alert", attrs: { role: "alert" } });
  retry.addEventListener("click", () => errands.retry(), { signal });

  frames.draw(() => {
    const error = errands.error.value;
    if (error === null) {
      element.replaceChildren();
      return;
    }
    const { text, quiet } = error;
    const hasKernel = store.get("info").has_kernel;
    // A quiet error is shown below the view, where it moves nothing.
    element.classList.toggle("xattn-below", quiet);
    setText(message, text.replace(/[.\s]*$/, ". "));
    setText(
      advice,
      hasKernel
        ? kernelAdvice(text)
        : "This page works without a kernel and contains only what it was saved with.",
    );
    // Nothing can be fetched later without a kernel.
    retry.hidden = !hasKernel;
    if (!element.contains(box)) element.replaceChildren(box);
  });
  return element;
}

function kernelAdvice(error: string): string {
  return error.includes(NO_ANSWER)
    ? "Is it still running? Wait for it or run the cell again, then retry."
    : "";
}
