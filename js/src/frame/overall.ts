// The readout where no token is inspected: the least read source words and the least certain target words.
import type { Context } from "../core/context";
import { h, setBdi, setText } from "../core/dom";
import { formatProbability } from "../core/format";
import type { Token } from "../core/inspect";
import { type Scene, unitName } from "../core/scene";
import { type Summary, type SummaryEntry, summaryOf } from "../core/summary";

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

const MOST = 3;

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
      lists.read.show(`Least read source ${units}`, summary.leastRead ?? [], emptyRead(summary), (entry) =>
        entry.value.toFixed(2),
      );
      lists.certain.show(
        `Least certain target ${units}`,
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

function emptyRead({ leastRead }: Summary): string {
  return leastRead?.length === 0 ? "Every source token is special." : "";
}

function createEntryList(pin: (token: Token) => void, signal: AbortSignal): EntryList {
  const title = h("div", { class: "xattn-label" });
  const empty = h("div", { class: "xattn-small xattn-muted" });
  let shown: readonly SummaryEntry[] = [];
  const rows = Array.from({ length: MOST }, (_, i) => {
    const name = h("bdi", { class: "xattn-partner-name" });
    const fill = h("span", { class: "xattn-bar-fill" });
    const value = h("span", { class: "xattn-number" });
    const reader = h("bdi");
    const by = h("span", { class: "xattn-small xattn-muted xattn-most" }, "most by ", reader);
    const button = h(
      "button",
      { class: "xattn-entry", attrs: { type: "button" } },
      h("span", { class: "xattn-partner-label" }, name),
      h("span", { class: "xattn-bar" }, fill),
      value,
      by,
    );
    button.addEventListener("click", () => shown[i] && pin(shown[i].token), { signal });
    return { row: h("li", {}, button), button, name, fill, value, by, reader };
  });
  const element = h("div", {}, title, empty, h("ol", {}, ...rows.map(({ row }) => row)));

  return {
    element,
    show(text, entries, why, numberText) {
      shown = entries;
      setText(title, text);
      setText(empty, why);
      empty.hidden = entries.length > 0;
      rows.forEach(({ row, name, fill, value, by, reader }, i) => {
        const entry = entries[i];
        row.hidden = entry === undefined;
        if (!entry) return;
        setBdi(name, entry.label);
        fill.style.width = `${Math.min(100, entry.value * 100)}%`;
        setText(value, numberText(entry));
        by.hidden = entry.reader === null;
        if (entry.reader) setBdi(reader, entry.reader.label);
      });
    },
    focus() {
      if (shown.length === 0 || element.hidden) return false;
      rows[0]?.button.focus();
      return true;
    },
  };
}
