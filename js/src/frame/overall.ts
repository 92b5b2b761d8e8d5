// The readout where no token is inspected: the least read source words and the least certain target words.
import type { Context } from "../core/context";
import type { Side } from "../core/contract";
import { h, setBdi, setText } from "../core/dom";
import { formatProbability } from "../core/format";
import type { Token } from "../core/inspect";
import { type Scene, unitName } from "../core/scene";
import { MOST, type SummaryEntry, summaryOf } from "../core/summary";

export interface Overall {
  element: HTMLElement;
  show(scene: Scene | null): void;
  /** Moves the focus to its first token, if it has one. */
  focus(): void;
}

interface EntryList {
  element: HTMLElement;
  show(
    title: string,
    entries: readonly SummaryEntry[],
    empty: string,
    text: (entry: SummaryEntry) => string,
  ): void;
  focus(): boolean;
}

/** `pin` is called with the token of an entry that is clicked. */
export function createOverall({ signal }: Pick<Context, "signal">, pin: (token: Token) => void): Overall {
  const lists = { read: createEntryList(pin, signal), certain: createEntryList(pin, signal) };
  const element = h("div", { class: "xattn-overall" }, lists.read.element, lists.certain.element);

  return {
    element,
    show(scene) {
      element.hidden = scene === null;
      if (!scene) return;
      const summary = summaryOf(scene);
      const units = unitName(scene, 2);
      lists.read.element.hidden = summary.leastRead === null;
      lists.read.show(
        titleOf("Least read", "source", summary.leastRead, units),
        summary.leastRead ?? [],
        emptyRead(scene),
        (entry) => entry.value.toFixed(2),
      );
      lists.certain.show(
        titleOf("Least certain", "target", summary.leastCertain, units),
        summary.leastCertain ?? [],
        summary.leastCertain === null
          ? "The probabilities of this target are not known."
          : "Every target token with a known probability is special.",
        (entry) => formatProbability(entry.value),
      );
    },
    focus: () => void (lists.read.focus() || lists.certain.focus()),
  };
}

/** A single entry is the least of nothing. */
function titleOf(least: string, side: Side, entries: readonly SummaryEntry[] | null, units: string): string {
  return entries?.length === 1 ? `The only ${side} ${units.slice(0, -1)}` : `${least} ${side} ${units}`;
}

function emptyRead(scene: Scene): string {
  return scene.source.special.every(Boolean)
    ? "Every source token is special."
    : `No source ${unitName(scene)} is read: all weights are 0.`;
}

function createEntryList(pin: (token: Token) => void, signal: AbortSignal): EntryList {
  const title = h("div", { class: "xattn-label" });
  const empty = h("div", { class: "xattn-small xattn-muted" });
  let shown: readonly SummaryEntry[] = [];
  const rows = Array.from({ length: MOST }, (_, i) => {
    const name = h("bdi", { class: "xattn-partner-name" });
    const fill = h("span", { class: "xattn-bar-fill" });
    const value = h("span", { class: "xattn-number" });
    const word = h("bdi");
    const piece = h("span", { class: "xattn-small xattn-muted" }, " in ", word);
    const reader = h("bdi");
    const by = h("span", { class: "xattn-small xattn-muted xattn-most" }, "most by ", reader);
    const button = h(
      "button",
      { class: "xattn-entry", title: "Pin this token", attrs: { type: "button" } },
      h("span", { class: "xattn-partner-label" }, name, piece),
      h("span", { class: "xattn-bar" }, fill),
      value,
      by,
    );
    button.addEventListener("click", () => shown[i] && pin(shown[i].token), { signal });
    return { row: h("li", {}, button), button, name, piece, word, fill, value, by, reader };
  });
  const list = h("ol", {}, ...rows.map(({ row }) => row));
  const element = h("div", { class: "xattn-least" }, title, empty, list);

  return {
    element,
    show(text, entries, why, numberText) {
      shown = entries;
      setText(title, text);
      list.setAttribute("aria-label", text);
      setText(empty, why);
      empty.hidden = entries.length > 0;
      rows.forEach(({ row, button, name, piece, word, fill, value, by, reader }, i) => {
        const entry = entries[i];
        row.hidden = entry === undefined;
        if (!entry) return;
        setBdi(name, entry.label);
        piece.hidden = entry.word === null;
        if (entry.word !== null) setBdi(word, entry.word);
        fill.style.width = `${Math.min(100, entry.value * 100)}%`;
        setText(value, numberText(entry));
        by.hidden = entry.reader === null;
        button.classList.toggle("xattn-has-reader", entry.reader !== null);
        if (entry.reader) setBdi(reader, entry.reader.label);
        by.title = by.textContent ?? "";
      });
    },
    focus() {
      if (shown.length === 0 || element.hidden) return false;
      rows[0]?.button.focus();
      return true;
    },
  };
}
