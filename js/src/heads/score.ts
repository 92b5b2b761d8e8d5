// The score that colors the heads: its picker, what it means, its legend, the value of the picked heads, its signature.

import type { ScoreInfo } from "../core/contract";
import { h, setText } from "../core/dom";
import { directionText, formatScore } from "../core/format";
import type { Domain } from "../core/scales";
import type { Theme } from "../core/theme";

export interface ScoreProps {
  /** Whether the values are the spread of the score over sentences, of which none is better. */
  isSpread: boolean;
  scores: ScoreInfo[];
  name: string;
  domain: Domain | null;
  /** Whether the values are loaded; the legend waits for them. */
  ready: boolean;
  /** Why they could not be computed; "" while they are computed. */
  failure: string;
  signature: string;
  undefinedHeads: number;
  /** How the picked heads score, in words. */
  standing: string;
  /** Which rows it is computed on, where special tokens are dropped; null where nothing needs to be said. */
  rows: { text: string; action: string } | null;
  theme: Theme;
}

export interface ScoreEvents {
  score(name: string): void;
  /** Switches between the score of all rows and that of the rows as shown. */
  rows(): void;
  copySignature(signature: string): void;
}

export interface ScoreView {
  element: HTMLElement;
  show(props: ScoreProps): void;
}

/** Of an error, in characters; the alert above the view has the whole text. */
const LONGEST_ERROR = 200;

const SPREAD = "How much the score differs between sentences: its standard deviation over them.";

export function createScore(events: ScoreEvents, signal: AbortSignal): ScoreView {
  const select = h("select", { attrs: { "aria-label": "Score that colors the heads" } });
  const meaning = h("div", { class: "xattn-meaning xattn-small" });
  const direction = h("span", { class: "xattn-muted" });
  const copy = button("xattn-copy-signature", "Copy signature", () => events.copySignature(shownSignature));
  const bar = h("span", { class: "xattn-ramp", attrs: { "aria-hidden": "true" } });
  const low = h("span", { class: "xattn-number" });
  const high = h("span", { class: "xattn-number" });
  const standing = h("div", { class: "xattn-small xattn-own-score" });
  const rowsText = h("span");
  const change = button("xattn-link", "", events.rows);
  const rows = h("div", { class: "xattn-small xattn-scored-rows" }, rowsText, " ", change);
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
    h(
      "div",
      { class: "xattn-score-words" },
      meaning,
      h("div", { class: "xattn-small xattn-direction" }, direction, copy),
      standing,
      rows,
    ),
  );
  select.addEventListener("change", () => events.score(select.value), { signal });
  let listed: ScoreInfo[] | null = null;
  let shownSignature = "";

  function button(name: string, text: string, act: () => void): HTMLButtonElement {
    const element = h("button", { class: name, text, attrs: { type: "button" } });
    element.addEventListener("click", act, { signal });
    return element;
  }

  return {
    element,
    show(props) {
      const { scores, isSpread, domain, ready, failure, undefinedHeads } = props;
      if (listed !== scores) {
        listed = scores;
        const option = (score: ScoreInfo) =>
          h("option", { text: score.name, title: score.description, attrs: { value: score.name } });
        select.replaceChildren(...scores.map(option));
      }
      select.value = props.name;
      const score = scores.find((entry) => entry.name === props.name);
      setText(meaning, isSpread ? SPREAD : (score?.description ?? ""));
      meaning.hidden = meaning.textContent === "";
      const words = score && !isSpread ? directionText(score) : "";
      setText(direction, undefinedHeads > 0 ? `${words} · ${undefinedHeads} undefined (hatched)` : words);
      bar.style.backgroundImage = props.theme.ramp.gradient;
      setText(low, failure ? "–" : !ready ? "…" : domain ? formatScore(domain.low) : "–");
      setText(high, failure ? "–" : !ready ? "…" : domain ? formatScore(domain.high) : "–");
      const waiting = failure ? `could not be computed: ${failure.slice(0, LONGEST_ERROR)}` : "computing…";
      setText(standing, ready ? props.standing || "…" : waiting);
      rows.hidden = props.rows === null;
      setText(rowsText, props.rows?.text ?? "");
      setText(change, props.rows?.action ?? "");
      change.hidden = change.textContent === "";
      shownSignature = props.signature || score?.signature || "";
      copy.title = `To quote beside its numbers: ${shownSignature}`;
      copy.hidden = shownSignature === "";
    },
  };
}
