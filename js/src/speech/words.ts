// The words in order, as buttons with their times: to read along, to play, and for screen readers.
import { h, setText } from "../core/dom";
import { tokenText } from "../core/format";
import { claim } from "../core/keyboard";
import { followPointing } from "../core/pointing";
import { oneTabStop } from "../core/tab_stop";
import type { ShownWord } from "./rows";
import { spanText } from "./timeline";

export interface WordsEvents {
  play(word: number): void;
  /** Space plays and pauses, as on the plot. */
  toggle(): void;
  /** Escape clears what is selected or pinned. */
  leave(): void;
  /** A word is pointed at, by the pointer or the focus; null for none. */
  point(word: number | null): void;
}

export interface WordList {
  element: HTMLElement;
  /** `offset` is where the sound begins in the recording. */
  show(words: readonly ShownWord[], offset: number): void;
  /** Marks the word that is spoken and the one that is pointed at elsewhere; -1 for none. */
  mark(current: number, pointed: number): void;
}

export function createWords(events: WordsEvents, signal: AbortSignal): WordList {
  const element = h("div", {
    class: "xattn-spoken-words",
    attrs: { role: "group", "aria-label": "Words in order; Enter plays one, arrow keys walk along" },
  });
  let shown: readonly ShownWord[] | null = null;
  let buttons: HTMLButtonElement[] = [];
  let [current, pointed] = [-1, -1];

  const indexOf = (target: EventTarget | null): number | null => {
    const button = target instanceof Element ? target.closest("button") : null;
    return button && element.contains(button) ? Number(button.dataset.word) : null;
  };
  element.addEventListener(
    "click",
    (event) => {
      const index = indexOf(event.target);
      if (index !== null) events.play(index);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      if (indexOf(event.target) === null || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key !== " " && event.key !== "Escape") return;
      claim(event);
      if (event.key === " ") events.toggle();
      else events.leave();
    },
    { signal },
  );
  // Firefox presses a button when Space is released.
  element.addEventListener("keyup", (event) => event.key === " " && event.preventDefault(), { signal });
  followPointing(element, indexOf, events.point, signal);
  const tabStop = oneTabStop(element, () => buttons.map((button) => [button]), signal);

  function button(word: ShownWord, index: number, offset: number): HTMLButtonElement {
    const made = h("button", {
      class: "xattn-spoken-word",
      attrs: { type: "button", "data-word": String(index), dir: "auto" },
    });
    setText(made, tokenText(word.text));
    const from = `${(word.start + offset).toFixed(2)} to ${(word.end + offset).toFixed(2)} seconds`;
    made.setAttribute("aria-label", `${tokenText(word.text)}, ${from}`);
    made.title = `${spanText(word, offset)} · click plays it`;
    return made;
  }

  return {
    element,
    show(words, offset) {
      if (words === shown) return;
      const keep = buttons.findIndex((other) => other.matches(":focus"));
      shown = words;
      buttons = words.map((word, index) => button(word, index, offset));
      element.replaceChildren(...buttons.flatMap((one) => [one, " "]));
      element.hidden = buttons.length === 0;
      [current, pointed] = [-1, -1];
      tabStop.refresh();
      if (keep >= 0) buttons[keep]?.focus();
    },
    mark(nextCurrent, nextPointed) {
      if (current !== nextCurrent) {
        buttons[current]?.removeAttribute("aria-current");
        buttons[nextCurrent]?.setAttribute("aria-current", "true");
        current = nextCurrent;
        const button = buttons[current];
        // In a list that scrolls, the spoken word stays in sight; the page itself never scrolls.
        if (button && element.scrollHeight > element.clientHeight) {
          const top = button.offsetTop - element.offsetTop;
          if (top < element.scrollTop || top + button.offsetHeight > element.scrollTop + element.clientHeight)
            element.scrollTop = top - element.clientHeight / 3;
        }
      }
      if (pointed !== nextPointed) {
        buttons[pointed]?.classList.remove("xattn-pointed");
        buttons[nextPointed]?.classList.add("xattn-pointed");
        pointed = nextPointed;
      }
    },
  };
}
