// Picks a sentence: from a list of all where they are few, and by a search where a list would be slow and too long.
import type { SentenceInfo } from "../core/contract";
import { h } from "../core/dom";
import { tokenText } from "../core/format";
import { listSentences, modelKey } from "../core/sentences";
import { createSentenceSearch } from "./sentence_search";

/** With more sentences a search takes the place of the list: laying out a thousand options takes 0.3 s. */
export const FEW = 100;

export interface SentencePicker {
  element: HTMLElement;
  show(entries: readonly SentenceInfo[], place: number): void;
}

/** `pick` is told the number of a sentence, as it is counted in `listSentences`. */
export function createSentencePicker(
  events: { pick(place: number): void },
  id: string,
  signal: AbortSignal,
): SentencePicker {
  const select = h("select", { attrs: { "aria-label": "Sentence" } });
  select.addEventListener("change", () => events.pick(select.selectedIndex), { signal });
  const search = createSentenceSearch(events, id, signal);
  const element = h("div", { class: "xattn-sentence-picker" });
  let listed: readonly SentenceInfo[] | null = null;

  return {
    element,
    show(entries, place) {
      const { targets } = listSentences(entries);
      const many = targets.length > FEW;
      const picker = many ? search.element : select;
      if (!element.contains(picker)) element.replaceChildren(picker);
      if (listed !== entries) {
        listed = entries;
        const text = sentenceTexts(entries);
        if (many) search.list(entries, text);
        select.replaceChildren(
          ...(many ? [] : targets.map((_, i) => h("option", { text: text(i), attrs: { dir: "auto" } }))),
        );
      }
      if (many) search.show(place);
      else select.selectedIndex = place;
    },
  };
}

/** How each sentence is listed: number, name, texts and, where there are several models, the model. */
function sentenceTexts(entries: readonly SentenceInfo[]): (place: number) => string {
  const { targets } = listSentences(entries);
  // Contributions of a sentence, which have heads of their own, are not its first entry.
  const models = new Set(targets.flatMap(([first]) => entries[first ?? -1] ?? []).map(modelKey));
  return (place) => {
    const entry = entries[targets[place]?.[0] ?? -1];
    if (!entry) return "";
    const { name, source, target, model } = entry;
    const which = models.size > 1 && model ? ` · ${model}` : "";
    return `${place + 1}. ${name ? `${name}: ` : ""}${tokenText(source)} → ${tokenText(target)}${which}`;
  };
}
