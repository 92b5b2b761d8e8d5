// What the panel waits for, and what went wrong, in words and with a way out.
import { NO_ANSWER } from "../core/constants";
import { h, setText } from "../core/dom";

export interface StatusView {
  loading: HTMLElement;
  alert: HTMLElement;
  setLoading(text: string): void;
  /** Says what was done, for a moment, where it says what is being waited for. */
  tell(text: string): void;
  /** A quiet one is told below the view, where it moves nothing. */
  setError(error: { text: string; quiet: boolean } | null, live: boolean): void;
}

export function createStatus(events: { retry(): void }, signal: AbortSignal): StatusView {
  const loading = h("div", { class: "xattn-loading", attrs: { role: "status" } });
  const message = h("span", { class: "xattn-alert-text" });
  const advice = h("span", { class: "xattn-muted" });
  const retry = h("button", { class: "xattn-button", text: "Retry", attrs: { type: "button" } });
  const box = h("div", { class: "xattn-alert-box" }, h("div", {}, message, advice), retry);
  // The alert region is there from the start: what is added to it later is read out.
  const alert = h("div", { class: "xattn-alert", attrs: { role: "alert" } });
  let waiting = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  retry.addEventListener("click", () => events.retry(), { signal });

  return {
    loading,
    alert,
    setLoading(text) {
      if (text === waiting) return;
      waiting = text;
      clearTimeout(timer);
      setText(loading, text);
    },
    tell(text) {
      clearTimeout(timer);
      setText(loading, text);
      timer = setTimeout(() => setText(loading, waiting), 2500);
    },
    setError(error, live) {
      if (error === null) {
        alert.replaceChildren();
        return;
      }
      const { text, quiet } = error;
      alert.classList.toggle("xattn-below", quiet);
      setText(message, text.replace(/[.\s]*$/, ". "));
      setText(
        advice,
        live
          ? text.includes(NO_ANSWER)
            ? "Is it still running? Wait for it or run the cell again, then retry."
            : ""
          : "This page works without a kernel and holds only what it was saved with.",
      );
      // Nothing can be fetched later without a kernel.
      retry.hidden = !live;
      if (!box.isConnected || !alert.contains(box)) alert.replaceChildren(box);
    },
  };
}
