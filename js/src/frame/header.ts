// The panel's header: the model's name and, where there are several, the pickers of the sentence and of its target.
import type { Context } from "../core/context";
import type { Info, SentenceInfo } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore, tokenText } from "../core/format";
import { claim } from "../core/keyboard";
import { listSentences } from "../core/sentences";
import { createSentencePicker } from "./sentence_picker";

/** Goes to the sentence before or after, unless someone is typing. */
export const SENTENCE_KEYS = { previous: "[", next: "]" } as const;

export function createHeader(context: Context): HTMLElement {
  const { store, loader, frames, root, signal } = context;
  const model = h("span", { class: "xattn-model" });
  const sentences = createSentences(context);
  const targets = createTargets(context);
  const element = h(
    "header",
    { class: "xattn-header" },
    h("span", { class: "xattn-title", text: "Cross-attention" }),
    model,
    h("div", { class: "xattn-pickers" }, sentences.element, targets.element),
  );
  root.addEventListener(
    "keydown",
    (event) => {
      const by = stepOf(event);
      if (by === 0 || sentences.element.hidden || isTyping(event.target)) return;
      claim(event);
      sentences.step(by);
    },
    { signal },
  );

  frames.draw(() => {
    const [info, sentence] = [store.get("info"), store.get("sentence")];
    const record = info.sentences[sentence] ?? { ...info, name: "" };
    // Whether the model wrote the target is unknown until its weights are loaded.
    const generated = loader.scene.value?.reply.generated;
    const origin = generated === undefined ? "" : `target ${generated ? "generated" : "given"}`;
    const parts = [record.name, record.model, `${record.layers} × ${record.heads} heads`, origin];
    setText(model, parts.filter((part) => part !== "").join(" · "));
    sentences.show(info, sentence);
    targets.show(info, sentence);
  });
  return element;
}

/** The keys by what they write, or by their place on keyboards that have other characters there. */
function stepOf({ key, code, ctrlKey, metaKey, altKey }: KeyboardEvent): number {
  if (key === SENTENCE_KEYS.previous) return -1;
  if (key === SENTENCE_KEYS.next) return 1;
  if (ctrlKey || metaKey || altKey) return 0;
  return code === "BracketLeft" ? -1 : code === "BracketRight" ? 1 : 0;
}

function isTyping(target: EventTarget | null): boolean {
  const field = target instanceof Element ? target.closest("input, textarea, select") : null;
  return field !== null && !field.matches('[type="range"], [type="radio"], [type="checkbox"]');
}

/** The picker of the sentence between buttons to the one before and after. */
function createSentences({ store, gestures, spoken, id, signal }: Context) {
  const picker = createSentencePicker({ pick: (place) => go(place) }, id, signal);
  const previous = button("‹", "Previous", `Previous sentence (${SENTENCE_KEYS.previous})`, () => step(-1));
  const next = button("›", "Next", `Next sentence (${SENTENCE_KEYS.next})`, () => step(1));
  const count = h("span", { class: "xattn-muted xattn-count" });
  const element = h(
    "div",
    { class: "xattn-sentence" },
    h("span", { class: "xattn-label", text: "Sentence", attrs: { "aria-hidden": "true" } }),
    previous,
    picker.element,
    next,
    count,
  );

  function button(text: string, name: string, title: string, act: () => void): HTMLButtonElement {
    const made = h("button", {
      class: "xattn-step",
      text,
      title,
      attrs: { type: "button", "aria-label": name },
    });
    made.addEventListener("click", act, { signal });
    return made;
  }

  function go(place: number): void {
    const { targets } = listSentences(store.get("info").sentences);
    const entry = targets[place]?.[0];
    if (entry !== undefined) gestures.sentence(entry);
  }

  function step(by: number): void {
    const { sentences } = store.get("info");
    const { targets, places } = listSentences(sentences);
    const place = (places[store.get("sentence")] ?? 0) + by;
    const entry = targets[place]?.[0];
    if (entry === undefined) return;
    gestures.sentence(entry);
    const text = tokenText(sentences[entry]?.source ?? "");
    spoken.value = `Sentence ${place + 1} of ${targets.length}: ${text}`;
  }

  return {
    element,
    step,
    show({ sentences }: Info, sentence: number): void {
      const { targets, places } = listSentences(sentences);
      const place = places[sentence] ?? 0;
      element.hidden = targets.length < 2;
      // Only marked: a button that is disabled would drop the focus of whoever pressed it.
      previous.setAttribute("aria-disabled", String(place === 0));
      next.setAttribute("aria-disabled", String(place === targets.length - 1));
      setText(count, `${(place + 1).toLocaleString("en")} of ${targets.length.toLocaleString("en")}`);
      picker.show(sentences, place);
    },
  };
}

/** The picker of what is shown of the sentence: hypotheses, contributions, edits, readings without the muted heads. */
function createTargets({ gestures, signal }: Context) {
  const select = h("select", {
    title: "Hypotheses, contributions, edits and readings without muted heads of this sentence",
    attrs: { "aria-label": "Target" },
  });
  select.addEventListener("change", () => gestures.sentence(Number(select.value)), { signal });
  const count = h("span", { class: "xattn-muted xattn-count" });
  const element = h(
    "div",
    { class: "xattn-target-picker" },
    h("span", { class: "xattn-label", text: "Target", attrs: { "aria-hidden": "true" } }),
    select,
    count,
  );
  let listed: { sentences: readonly SentenceInfo[]; place: number } | null = null;

  function option(sentences: readonly SentenceInfo[], entry: number, first: number): HTMLOptionElement {
    const { name = "", target = "", logprob = null } = sentences[entry] ?? {};
    // The name of the sentence says nothing here; that of an edit or a muted reading does.
    const which = name === "" || name === sentences[first]?.name ? "" : `${name}: `;
    const number = logprob === null ? "" : ` (log-prob ${formatScore(logprob)})`;
    return h("option", {
      text: `${which}${tokenText(target)}${number}`,
      attrs: { value: String(entry), dir: "auto" },
    });
  }

  return {
    element,
    show({ sentences }: Info, sentence: number): void {
      const { targets, places } = listSentences(sentences);
      const place = places[sentence] ?? 0;
      const entries = targets[place] ?? [];
      element.hidden = entries.length < 2;
      if (listed?.sentences !== sentences || listed.place !== place) {
        listed = { sentences, place };
        select.replaceChildren(...entries.map((entry) => option(sentences, entry, entries[0] ?? 0)));
      }
      select.value = String(sentence);
      setText(count, `${entries.indexOf(sentence) + 1} of ${entries.length}`);
    },
  };
}
