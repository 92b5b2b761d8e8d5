// The panel's header: the model's name and, when there are several, the sentence picker.

import type { Info } from "../core/contract";
import { h, setText } from "../core/dom";
import { tokenText } from "../core/format";

export interface HeaderView {
  element: HTMLElement;
  /** `generated`: whether the model wrote the target; null while that is not known. */
  show(info: Info, sentence: number, generated: boolean | null): void;
}

export function createHeader(events: { sentence(index: number): void }, signal: AbortSignal): HeaderView {
  const model = h("span", { class: "xattn-model" });
  const select = h("select", { attrs: { "aria-label": "Sentence" } });
  const count = h("span", { class: "xattn-muted" });
  const picker = h(
    "label",
    { class: "xattn-sentence" },
    h("span", { class: "xattn-label", text: "Sentence" }),
    select,
    count,
  );
  const element = h(
    "header",
    { class: "xattn-header" },
    h("span", { class: "xattn-title", text: "Cross-attention" }),
    model,
    picker,
  );
  select.addEventListener("change", () => events.sentence(select.selectedIndex), { signal });
  let shown: Info["sentences"] | null = null;

  return {
    element,
    show(info, sentence, generated) {
      const origin = generated === null ? "" : `target ${generated ? "generated" : "given"}`;
      const record = info.sentences[sentence] ?? { ...info, name: "" };
      const size = `${record.layers} × ${record.heads} heads`;
      const parts = [record.name, record.model, size, origin];
      setText(model, parts.filter((part) => part !== "").join(" · "));
      picker.hidden = info.sentences.length < 2;
      if (shown !== info.sentences) {
        shown = info.sentences;
        const options = info.sentences.map((pair, index) =>
          h("option", {
            text: `${index + 1}. ${pair.name ? `${pair.name}: ` : ""}${tokenText(pair.source)} → ${tokenText(pair.target)}`,
            attrs: { dir: "auto" },
          }),
        );
        select.replaceChildren(...options);
        setText(count, `of ${info.sentences.length}`);
      }
      select.selectedIndex = sentence;
    },
  };
}
