// Chooses what the grid shows: the scores of one sentence, or their mean or spread over all of them.
import type { Over } from "../core/contract";
import { h, setText } from "../core/dom";
import { claim } from "../core/keyboard";
import type { GridValues } from "../core/survey";

export interface OverView {
  element: HTMLElement;
  /** `peers`: how many sentences there are of the shown sentence's model. */
  show(grid: GridValues, peers: number): void;
}

const CHOICES: readonly { over: Over; label: string; title: string }[] = [
  { over: "sentence", label: "this sentence", title: "The scores of the shown sentence" },
  {
    over: "mean",
    label: "mean",
    title:
      "The mean of each head's score over all sentences of this model; of several hypotheses only the first counts",
  },
  {
    over: "spread",
    label: "spread",
    title: "How much each head's score differs between sentences: its standard deviation over them",
  },
];

export function createOver(events: { over(over: Over): void }, signal: AbortSignal): OverView {
  const buttons = CHOICES.map(({ over, label, title }) => {
    const button = h("button", {
      class: "xattn-over-choice",
      text: label,
      title,
      attrs: { type: "button", role: "radio", "data-over": over },
    });
    button.addEventListener("click", () => events.over(over), { signal });
    return button;
  });
  const group = h(
    "div",
    { class: "xattn-over-choices", attrs: { role: "radiogroup", "aria-label": "Values of the grid" } },
    ...buttons,
  );
  const note = h("span", { class: "xattn-small xattn-muted", attrs: { role: "status" } });
  const element = h("div", { class: "xattn-over" }, group, note);
  group.addEventListener(
    "keydown",
    (event) => {
      const index = buttons.indexOf(event.target as HTMLButtonElement);
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (index < 0 || by === undefined) return;
      claim(event);
      const next = (index + by + CHOICES.length) % CHOICES.length;
      buttons[next]?.focus();
      events.over(CHOICES[next]?.over ?? "sentence");
    },
    { signal },
  );

  return {
    element,
    show(grid, peers) {
      element.hidden = peers < 2;
      CHOICES.forEach(({ over, label }, i) => {
        const button = buttons[i];
        if (!button) return;
        setText(button, over === "mean" ? `mean of ${peers.toLocaleString("en")}` : label);
        button.setAttribute("aria-checked", String(over === grid.over));
        button.tabIndex = over === grid.over ? 0 : -1;
      });
      setText(note, noteOf(grid));
    },
  };
}

/** What the values are taken over, below the choice. */
function noteOf({ over, done, total, failed }: GridValues): string {
  if (over === "sentence") return "";
  const name = over === "mean" ? "mean" : "standard deviation";
  if (done < total)
    return `${name} of ${done.toLocaleString("en")} of ${total.toLocaleString("en")} sentences…`;
  const without = failed > 0 ? `; ${failed.toLocaleString("en")} have no score` : "";
  return `${name} of ${(total - failed).toLocaleString("en")} sentences${without}`;
}
