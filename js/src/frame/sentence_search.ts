// A search among many sentences: a field with the shown one, and a short list of those that match what is typed.
import type { SentenceInfo } from "../core/contract";
import { h, setText } from "../core/dom";
import { claim } from "../core/keyboard";
import { listSentences } from "../core/sentences";
import { folded } from "./find";

export interface SentenceSearch {
  element: HTMLElement;
  /** The sentences, and how each is listed. */
  list(entries: readonly SentenceInfo[], text: (place: number) => string): void;
  show(place: number): void;
}

/** How many matches are listed. */
const LISTED = 12;

export function createSentenceSearch(
  events: { pick(place: number): void },
  id: string,
  signal: AbortSignal,
): SentenceSearch {
  const input = h("input", {
    title: "Type a number or words to find a sentence",
    attrs: {
      type: "text",
      role: "combobox",
      "aria-label": "Sentence",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": `${id}-sentences`,
      autocomplete: "off",
      spellcheck: "false",
      dir: "auto",
    },
  });
  const options = h("div", {
    class: "xattn-sentence-options",
    attrs: { role: "listbox", id: `${id}-sentences`, "aria-label": "Matches" },
  });
  options.hidden = true;
  const more = h("div", { class: "xattn-small xattn-muted xattn-sentence-more" });
  more.hidden = true;
  const element = h("div", { class: "xattn-sentence-search" }, input, options, more);
  let entries: readonly SentenceInfo[] = [];
  let text: (place: number) => string = String;
  let find: ((query: string) => number[]) | null = null;
  let current = 0;
  let matches: number[] = [];
  /** Which of the matches Enter picks. */
  let chosen = 0;

  function open(): void {
    find ??= createFinder(entries);
    const query = input.value.trim();
    // Nothing is typed yet: the neighbors of the shown sentence.
    matches = query === "" ? neighbors(current, listSentences(entries).targets.length) : find(query);
    chosen = query === "" ? Math.max(0, matches.indexOf(current)) : 0;
    options.replaceChildren(
      ...matches.slice(0, LISTED).map((place, i) =>
        h("div", {
          class: "xattn-sentence-option",
          text: text(place),
          attrs: { role: "option", id: `${id}-sentence-${i}`, "data-place": String(place), dir: "auto" },
        }),
      ),
    );
    setText(more, matches.length === 0 ? "No sentence matches." : `${matches.length} match; type more.`);
    more.hidden = matches.length > 0 && matches.length <= LISTED;
    options.hidden = matches.length === 0;
    mark();
  }

  function mark(): void {
    input.setAttribute("aria-expanded", String(!options.hidden));
    [...options.children].forEach((option, i) => {
      option.setAttribute("aria-selected", String(i === chosen));
    });
    if (options.hidden) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `${id}-sentence-${chosen}`);
  }

  function close(): void {
    options.hidden = true;
    more.hidden = true;
    input.value = text(current);
    input.placeholder = "";
    mark();
  }

  function pick(place: number | undefined): void {
    if (place === undefined) return;
    current = place;
    close();
    input.select();
    events.pick(place);
  }

  const begin = () => {
    if (input.value !== text(current) || !options.hidden) return;
    input.placeholder = text(current);
    input.value = "";
    open();
  };
  input.addEventListener("focus", () => input.select(), { signal });
  input.addEventListener("click", begin, { signal });
  input.addEventListener("input", open, { signal });
  input.addEventListener("blur", close, { signal });
  input.addEventListener(
    "keydown",
    (event) => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      const isOpen = !options.hidden;
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by !== undefined) {
        claim(event);
        if (!isOpen) begin();
        else {
          const count = options.children.length;
          chosen = (chosen + by + count) % count;
          mark();
        }
      } else if (event.key === "Enter" && isOpen) {
        claim(event);
        pick(matches[chosen]);
      } else if (event.key === "Escape" && (isOpen || !more.hidden)) {
        claim(event);
        close();
      }
    },
    { signal },
  );
  // Before the field loses the focus, which closes the list.
  options.addEventListener(
    "pointerdown",
    (event) => {
      const option =
        event.target instanceof Element ? event.target.closest<HTMLElement>("[role=option]") : null;
      if (!option) return;
      event.preventDefault();
      pick(Number(option.dataset.place));
    },
    { signal },
  );

  return {
    element,
    list(next, texts) {
      entries = next;
      text = texts;
      find = null;
    },
    show(place) {
      current = place;
      if (options.hidden && more.hidden) input.value = text(place);
    },
  };
}

function neighbors(place: number, count: number): number[] {
  const from = Math.max(0, Math.min(place - (LISTED >> 1), count - LISTED));
  return Array.from({ length: Math.min(LISTED, count) }, (_, i) => from + i);
}

/** Finds sentences by the beginning of their number, or by a piece of their name, source or a target. */
export function createFinder(entries: readonly SentenceInfo[]): (query: string) => number[] {
  const { targets } = listSentences(entries);
  const texts = targets.map((own) =>
    folded(
      own
        .flatMap((entry) => {
          const { name = "", source = "", target = "" } = entries[entry] ?? {};
          return [name, source, target];
        })
        .join("\n"),
    ),
  );
  return (query) => {
    const wanted = folded(query);
    const isNumber = /^\d+$/.test(wanted);
    const found = (place: number) =>
      (isNumber && String(place + 1).startsWith(wanted)) || (texts[place]?.includes(wanted) ?? false);
    const places = texts.flatMap((_, place) => (found(place) ? [place] : []));
    // The sentence of exactly this number comes first.
    const exact = isNumber ? places.indexOf(Number(wanted) - 1) : -1;
    if (exact > 0) places.unshift(...places.splice(exact, 1));
    return places;
  };
}
