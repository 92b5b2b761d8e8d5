// What the view shows, to choose from: which weights, whether each head has a strip, and which heads time the words.
import type { SoundWeights, WordTimesBy } from "../core/contract";
import { h } from "../core/dom";
import { equal } from "../core/equal";

export interface ChoicesEvents {
  weights(kind: SoundWeights): void;
  timedBy(set: WordTimesBy): void;
  combined(combined: boolean): void;
}

export interface ChoicesProps {
  weights: SoundWeights;
  timedBy: WordTimesBy;
  /** The sets of heads that the record has, with their names. */
  sets: [WordTimesBy, string][];
  combined: boolean;
  /** How many heads are picked: one has nothing to combine. */
  heads: number;
}

export interface Choices {
  element: HTMLElement;
  show(props: ChoicesProps): void;
}

const WEIGHTS: [SoundWeights, string][] = [
  ["cropped", "cropped"],
  ["raw", "raw"],
  ["zscored", "z-scored"],
  ["filtered", "z-scored, median"],
];
const HEADS: [string, string][] = [
  ["one", "combined"],
  ["each", "a strip for each"],
];
const ABOUT = {
  weights:
    "Raw weights include those after the end of the sound, where a model that pads its input looks too. Cropped ones leave them out and divide each row by its sum. Z-scored ones are standardized over the rows, as openai-whisper does before it times words; it then takes the median over seven positions.",
  heads:
    "The rows combine the picked heads. A strip for each head shows where it looks for the word that is pointed at, spoken or pinned.",
  timedBy:
    "The heads that time the words: they give the path through the rows, the boundaries, the errors against a reference, and the exported table.",
};

export function createChoices(events: ChoicesEvents, signal: AbortSignal): Choices {
  function choice(label: string, title: string, options: readonly [string, string][]) {
    const select = h("select", { title, attrs: { "aria-label": label } });
    let offered: readonly [string, string][] = [];
    /** Options are replaced only where they differ: a list that is open would close. */
    function offer(next: readonly [string, string][]): void {
      if (equal(next, offered)) return;
      offered = next;
      select.replaceChildren(...next.map(([value, text]) => h("option", { text, attrs: { value } })));
    }
    offer(options);
    const name = h("span", { class: "xattn-label", text: label });
    const field = h("label", { class: "xattn-sound-choice", title }, name, select);
    return { field, select, offer };
  }
  const heads = choice("Picked heads", ABOUT.heads, HEADS);
  const weights = choice("Weights", ABOUT.weights, WEIGHTS);
  const timedBy = choice("Word times by", ABOUT.timedBy, []);
  const follow = (select: HTMLSelectElement, act: (value: string) => void) =>
    select.addEventListener("change", () => act(select.value), { signal });
  follow(heads.select, (value) => events.combined(value === "one"));
  follow(weights.select, (value) => events.weights(value as SoundWeights));
  follow(timedBy.select, (value) => events.timedBy(value as WordTimesBy));

  return {
    element: h("div", { class: "xattn-sound-choices" }, heads.field, weights.field, timedBy.field),
    show(props) {
      heads.field.hidden = props.heads < 2;
      heads.select.value = props.combined ? "one" : "each";
      weights.select.value = props.weights;
      timedBy.offer(props.sets);
      timedBy.select.value = props.timedBy;
    },
  };
}
