// The search for tokens: Enter goes to the next match, Shift+Enter to the one before, Escape clears the field.
import type { Context } from "../core/context";
import { h, setText } from "../core/dom";
import { claim } from "../core/keyboard";
import type { Scene } from "../core/scene";
import type { Opened } from "../core/view";
import { findTokens } from "./find";

export function createSearch(
  { loader, active, found, frames, signal }: Context,
  opened: Opened,
): HTMLElement {
  const input = h("input", {
    class: "xattn-search",
    attrs: { type: "search", placeholder: "Find a token", "aria-label": "Find a token", spellcheck: "false" },
  });
  const count = h("span", { class: "xattn-number xattn-muted", attrs: { role: "status" } });
  const element = h("span", { class: "xattn-find" }, input, count);
  /** Which of the matches is pinned; -1 for none yet. */
  let current = -1;
  let searched: Scene | null = null;

  function find(): void {
    searched = loader.scene.value;
    found.value = searched ? findTokens(searched, input.value) : [];
    if (current >= found.value.length) current = -1;
    showCount();
  }

  function step(by: number): void {
    const matches = found.value;
    if (matches.length === 0) return;
    current =
      current < 0 ? (by > 0 ? 0 : matches.length - 1) : (current + by + matches.length) % matches.length;
    const token = matches[current];
    if (token) active.pin(token);
    showCount();
  }

  function showCount(): void {
    const matches = found.value.length;
    if (input.value.trim() === "") setText(count, "");
    else setText(count, matches === 0 ? "none" : `${current < 0 ? "–" : current + 1}/${matches}`);
  }

  function query(): void {
    current = -1;
    find();
  }

  input.addEventListener("input", query, { signal });
  input.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter") {
        claim(event);
        step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && input.value !== "") {
        claim(event);
        input.value = "";
        query();
      }
    },
    { signal },
  );
  frames.draw(() => {
    element.hidden = opened.value.view.hint === undefined;
  });
  frames.draw(() => {
    const scene = loader.scene.value;
    // The same tokens with other weights have already been found.
    if (searched?.source !== scene?.source || searched?.target !== scene?.target) find();
  });
  return element;
}
