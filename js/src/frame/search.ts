// A search field for tokens: Enter goes to the next match, Shift+Enter to the one before, Escape clears it.
import { h, setText } from "../core/dom";
import { claim } from "../core/keyboard";

export interface SearchView {
  element: HTMLElement;
  show(matches: number, at: number): void;
}

export function createSearch(
  events: { query(text: string): void; next(by: number): void },
  signal: AbortSignal,
): SearchView {
  const input = h("input", {
    class: "xattn-search",
    attrs: { type: "search", placeholder: "Find a token", "aria-label": "Find a token", spellcheck: "false" },
  });
  const count = h("span", { class: "xattn-number xattn-muted", attrs: { role: "status" } });
  const element = h("span", { class: "xattn-find" }, input, count);
  input.addEventListener("input", () => events.query(input.value), { signal });
  input.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter") {
        claim(event);
        events.next(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && input.value !== "") {
        claim(event);
        input.value = "";
        events.query("");
      }
    },
    { signal },
  );
  return {
    element,
    show(matches, at) {
      if (input.value.trim() === "") setText(count, "");
      else setText(count, matches === 0 ? "none" : `${at < 0 ? "–" : at + 1}/${matches}`);
    },
  };
}
