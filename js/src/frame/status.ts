// What the panel waits for, what was just done, and what went wrong, with a way out.
import { untracked } from "@preact/signals-core";
import { NO_ANSWER } from "../core/constants";
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import type { Opened } from "../core/view";

/** How long a message about what was done stays, in milliseconds: at least so long, and longer for a longer one. */
const TOLD = 2500;
const TOLD_PER_CHARACTER = 60;

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
    const { text } = told.value;
    setText(element, text);
    timer = setTimeout(() => setText(element, waiting), Math.max(TOLD, TOLD_PER_CHARACTER * text.length));
  });
  return element;
}

/** What the loss of the kernel means. */
const LOST = {
  silent: "The kernel does not answer. Everything loaded so far still works.",
  closed:
    "The kernel is gone. Everything loaded so far still works; run the cell again for the rest and for experiments.",
};

function createAlert({ errands, store, connection, frames, signal }: Context): HTMLElement {
  const message = h("span", { class: "xattn-alert-text" });
  const advice = h("span", { class: "xattn-muted" });
  const retry = h("button", { class: "xattn-button", text: "Retry", attrs: { type: "button" } });
  const box = h("div", { class: "xattn-alert-box" }, h("div", {}, message, advice), retry);
  // The alert region is there from the start: what is added to it later is read out.
  const element = h("div", { class: "xattn-alert", attrs: { role: "alert" } });
  retry.addEventListener("click", () => errands.retry(), { signal });

  /** The texts to show, in this order; none of them where all is well. */
  function texts(): [main: string, more: string] {
    const line = connection.line.value;
    const error = errands.error.value?.text ?? "";
    if (!store.get("info").has_kernel)
      return [error, error && "This page works without a kernel and contains only what it was saved with."];
    if (line !== "open") return [LOST[line], error.includes(NO_ANSWER) ? kernelAdvice(error) : error];
    return [error, kernelAdvice(error)];
  }

  frames.draw(() => {
    const [main, more] = texts();
    if (main === "") {
      element.replaceChildren();
      return;
    }
    const error = errands.error.value;
    const line = connection.line.value;
    // A quiet error is shown below the view, where it moves nothing.
    element.classList.toggle("xattn-below", line === "open" && (error?.quiet ?? false));
    setText(message, main.replace(/[.\s]*$/, ". "));
    setText(advice, more);
    // Nothing can be fetched later without a kernel.
    retry.hidden = !store.get("info").has_kernel || line === "closed" || error === null;
    if (!element.contains(box)) element.replaceChildren(box);
  });
  // What could not be loaded is loaded as soon as the kernel answers again.
  let before = connection.line.peek();
  frames.watch(() => {
    const line = connection.line.value;
    const isBack = before !== "open" && line === "open";
    before = line;
    if (isBack) untracked(() => errands.retry());
  });
  return element;
}

function kernelAdvice(error: string): string {
  return error.includes(NO_ANSWER)
    ? "Is it still running? Wait for it or run the cell again, then retry."
    : "";
}
