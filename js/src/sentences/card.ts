// A card: one sentence with its number, its score, its texts and a small drawing of the picked heads.
import type { SentenceInfo } from "../core/contract";
import { bdi, h, prepareCanvas, setBdi, setText } from "../core/dom";
import { formatScore } from "../core/format";
import { longerSide, type Scene } from "../core/scene";
import { canvasSurface } from "../core/surface";
import type { Theme } from "../core/theme";
import { boxHeight, paintSentence } from "./drawing";
import type { Scored } from "./order";

/** The height of a card without its drawing, in pixels: what is assumed of cards out of sight. */
const AROUND = 83;

export interface Look {
  theme: Theme;
  /** Of the lines. */
  color: string;
  /** Whether the lines of special tokens are faint. */
  fade: boolean;
  family: string;
}

export interface Card {
  element: HTMLButtonElement;
  /** `known`: whether the score has been read. */
  score(scored: Scored, known: boolean): void;
  mark(shown: boolean): void;
  /** Keeps the place of the drawing of a sentence with this many units. */
  reserve(units: number): void;
  draw(scene: Scene, look: Look): void;
  /** Shows an error instead of the drawing. */
  fail(reason: string): void;
}

export function createCard(place: number, entry: number, info: SentenceInfo): Card {
  const value = h("span", { class: "xattn-number xattn-card-score" });
  const problem = h("span", { class: "xattn-card-problem" });
  const canvas = h("canvas", { attrs: { "aria-hidden": "true" } });
  const failure = h("bdi", { class: "xattn-card-failure xattn-small" });
  failure.hidden = true;
  const drawing = h("span", { class: "xattn-card-drawing" }, canvas, failure);
  const name = info.name ? [" ", bdi(info.name)] : [];
  const element = h(
    "button",
    { class: "xattn-card", attrs: { type: "button", tabindex: "-1", "data-entry": String(entry) } },
    h(
      "span",
      { class: "xattn-card-head" },
      h(
        "span",
        { class: "xattn-card-name" },
        h("span", { class: "xattn-hidden", text: "Sentence " }),
        h("span", { class: "xattn-muted", text: String(place + 1) }),
        ...name,
      ),
      " ",
      value,
    ),
    " ",
    problem,
    h("span", { class: "xattn-card-text" }, bdi(info.source)),
    " ",
    h("span", { class: "xattn-card-text xattn-muted" }, bdi(info.target)),
    drawing,
  );
  problem.hidden = true;

  return {
    element,
    score({ value: score, problem: text }, known) {
      setText(value, !known ? "…" : score === null ? "–" : formatScore(score));
      setText(problem, text);
      problem.title = text;
      problem.hidden = text === "";
    },
    mark(shown) {
      if (shown) element.setAttribute("aria-current", "true");
      else element.removeAttribute("aria-current");
    },
    reserve(units) {
      drawing.style.height = `${boxHeight(units)}px`;
      element.style.setProperty("contain-intrinsic-height", `auto ${boxHeight(units) + AROUND}px`);
    },
    draw(scene, { theme, color, fade, family }) {
      failure.hidden = true;
      canvas.hidden = false;
      const box = { width: Math.floor(drawing.clientWidth), height: boxHeight(longerSide(scene)) };
      drawing.style.height = `${box.height}px`;
      const context = prepareCanvas(canvas, box.width, box.height);
      if (context && box.width > 0)
        paintSentence(canvasSurface(context, { family, size: 11 }), scene, box, theme, color, fade);
    },
    fail(reason) {
      canvas.hidden = true;
      failure.hidden = false;
      setBdi(failure, reason);
    },
  };
}
