// The score that colors the heads: its picker, direction in words, legend and signature.

import type { Head, ScoreInfo } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore } from "../core/format";
import type { Domain } from "../core/scales";
import type { Theme } from "../core/theme";

export interface ScoreProps {
  scores: ScoreInfo[];
  name: string;
  domain: Domain | null;
  /** Whether the values are loaded; the legend waits for them. */
  ready: boolean;
  /** Why they could not be computed; "" while they are computed. */
  failure: string;
  signature: string;
  undefinedHeads: number;
  /** How the head picked last scores. */
  picked: { head: Head; value: number | null; rank: number; count: number } | null;
  theme: Theme;
}

export interface ScoreView {
  element: HTMLElement;
  show(props: ScoreProps): void;
}

/** Of an error, in characters; the alert above the view has the whole text. */
const LONGEST_ERROR = 200;

export function createScore(events: { score(name: string): void }, signal: AbortSignal): ScoreView {
  const select = h("select", { attrs: { "aria-label": "Score that colors the heads" } });
  const direction = h("span", { class: "xattn-muted" });
  const bar = h("span", { class: "xattn-ramp", attrs: { "aria-hidden": "true" } });
  const low = h("span", { class: "xattn-number" });
  const high = h("span", { class: "xattn-number" });
  const standing = h("div", { class: "xattn-small xattn-own-score" });
  const signature = h("div", { class: "xattn-signature" });
  const element = h(
    "div",
    { class: "xattn-score" },
    h(
      "label",
      { class: "xattn-field" },
      h("span", { class: "xattn-label", text: "Heads scored by" }),
      select,
    ),
    h("div", { class: "xattn-legend" }, low, bar, high),
    h("div", { class: "xattn-small" }, direction),
    standing,
    signature,
  );
  select.addEventListener("change", () => events.score(select.value), { signal });
  let shown: ScoreInfo[] | null = null;

  return {
    element,
    show({ scores, name, domain, ready, failure, signature: text, undefinedHeads, picked, theme }) {
      if (shown !== scores) {
        shown = scores;
        const option = (score: ScoreInfo) =>
          h("option", { text: score.name, title: score.description, attrs: { value: score.name } });
        select.replaceChildren(...scores.map(option));
      }
      select.value = name;
      const score = scores.find((entry) => entry.name === name);
      select.title = score?.description ?? "";
      const words = score ? `${score.direction} is better` : "";
      setText(direction, undefinedHeads > 0 ? `${words} · ${undefinedHeads} undefined (hatched)` : words);
      direction.title = score?.description ?? "";
      bar.style.backgroundImage = theme.ramp.gradient;
      setText(low, failure ? "–" : !ready ? "…" : domain ? formatScore(domain.low) : "–");
      setText(high, failure ? "–" : !ready ? "…" : domain ? formatScore(domain.high) : "–");
      const waiting = failure ? `could not be computed: ${failure.slice(0, LONGEST_ERROR)}` : "computing…";
      setText(
        standing,
        picked
          ? `L${picked.head[0]} H${picked.head[1]}: ${formatScore(picked.value)}, rank ${picked.rank} of ${picked.count}`
          : ready
            ? "…"
            : waiting,
      );
      const shownSignature = text || score?.signature || "";
      setText(signature, shownSignature);
      signature.title = `Signature of this score, to quote beside its numbers: ${shownSignature}`;
    },
  };
}
