// Two maps side by side and their difference: the same cell is marked in all three, and described below.

import type { SentenceInfo } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatDifference, formatWeight, rowName, tokenText } from "../core/format";
import { differenceCells, sceneCells } from "../core/heat/cells";
import { createLegend } from "../core/heat/legend";
import { type At, createHeatPane } from "../core/heat/pane";
import type { Scene } from "../core/scene";
import type { Theme } from "../core/theme";
import { maximum } from "../core/units";
import { type Difference, differenceOf } from "./difference";
import type { Pictured } from "./pictured";
import { createPictures, lackText, PICTURE_HINT } from "./pictures";

export interface CompareProps {
  first: Scene;
  second: Scene;
  /** What each side is, in words. */
  names: readonly [string, string];
  sentences: readonly SentenceInfo[];
  /** Whether the grid of heads picks for the second side. */
  editing: boolean;
  /** Why the difference is zero whatever the weights are; "" where it can be another. */
  zero: string;
  fade: boolean;
  colors: readonly string[];
  theme: Theme;
  /** Where both sides have places in a picture, they are drawn over it, one word at a time. */
  pictured: Pictured | null;
  /** How much the strongest color covers of a picture. */
  opacity: number;
}

export interface CompareEvents {
  sentence(index: number): void;
  editing(second: boolean): void;
  swap(): void;
  /** A word is chosen, whose weights are drawn over the pictures; null for the mean of all. */
  word(unit: number | null): void;
}

export interface CompareView {
  element: HTMLElement;
  show(props: CompareProps): void;
}

const TALLEST = 420;
/** The least width of a map: more maps stand side by side in wide panels. */
const NARROWEST = 210;
/** Maps get the width that shows every label, but not more than this, where they could hardly stand side by side. */
const WIDEST = 420;
/** The least width of a picture. */
const PICTURE = 260;
const DIFFERENCES = "blue: more in A, orange: more in B";
const HINT = "Point at a cell to see its weight in A and in B.";

export function createCompare(
  events: CompareEvents,
  schedule: (paint: () => void) => void,
  id: string,
  signal: AbortSignal,
): CompareView {
  const select = h("select");
  const sentenceField = h(
    "label",
    { class: "xattn-field" },
    h("span", { class: "xattn-label", text: "Compare A with" }),
    select,
  );
  select.addEventListener("change", () => events.sentence(select.selectedIndex), { signal });
  const sides = (["A", "B"] as const).map((name, index) => {
    const input = h("input", {
      attrs: { type: "radio", name: `${id}-side`, "aria-label": `The grid picks the heads of ${name}` },
    });
    input.addEventListener("change", () => events.editing(index === 1), { signal });
    return { input, label: h("label", { class: "xattn-radio" }, input, h("span", { text: name })) };
  });
  const editing = h(
    "div",
    { class: "xattn-field", attrs: { role: "radiogroup", "aria-label": "The grid picks the heads of" } },
    h("span", { class: "xattn-label", text: "The grid picks heads of" }),
    h("span", { class: "xattn-radios" }, ...sides.map(({ label }) => label)),
  );
  const swap = h("button", {
    class: "xattn-button",
    text: "Swap A and B",
    attrs: { type: "button" },
  });
  swap.addEventListener("click", () => events.swap(), { signal });
  const pictures = createPictures(events.word, (text) => setText(readout, text), signal);
  const bar = h("div", { class: "xattn-compare-bar" }, editing, sentenceField, pictures.field, swap);

  const panes = ["A", "B", "A − B"].map((name, index) => {
    const pane = createHeatPane(
      index < 2
        ? `Heat map of ${name}; arrow keys move the cell`
        : "Difference of A and B; arrow keys move the cell",
      TALLEST,
      { cell: (cell) => point(index, cell) },
      schedule,
      signal,
    );
    const picture = pictures.pane(index, name);
    const dot = h("span", { class: "xattn-dot", attrs: { "aria-hidden": "true" } });
    const title = h("span", { class: "xattn-pane-name", text: name });
    const text = h("span", { class: "xattn-pane-text" });
    const figure = h(
      "div",
      { class: "xattn-pane" },
      h("div", { class: "xattn-pane-head" }, dot, title, text),
      pane.element,
      picture,
    );
    return { pane, picture, dot, text, figure };
  });
  const weights = createLegend("Weight", "Square-root scale, the same for A and B");
  const differences = createLegend("A − B", "Square-root scale around zero");
  const readout = h("div", { class: "xattn-readout", attrs: { "aria-live": "polite" } });
  const zero = h("p", { class: "xattn-zero" });
  const none = h("div", { class: "xattn-empty xattn-small" });
  const last = panes[2];
  last?.figure.append(none);
  const row = h("div", { class: "xattn-panes" }, ...panes.map(({ figure }) => figure));
  const element = h(
    "div",
    { class: "xattn-compare" },
    bar,
    zero,
    row,
    readout,
    h("div", { class: "xattn-foot" }, weights.element, differences.element),
  );

  let props: CompareProps | null = null;
  let compared: { first: Scene; second: Scene; difference: Difference | null } | null = null;
  let listed: readonly SentenceInfo[] | null = null;

  /** The same cell of the three maps, by a cell of one of them; null where a map lacks it. */
  function sameCells(index: number, cell: At): (At | null)[] {
    const alone = panes.map((_, i) => (i === index ? cell : null));
    const difference = compared?.difference;
    if (!difference) return alone;
    const { first, second } = difference;
    const shared = index === 2 ? cell : sharedCell(index === 0 ? first : second, cell);
    return shared ? [cellIn(first, shared), cellIn(second, shared), shared] : alone;
  }

  function point(index: number, pointed: At | null): void {
    const cells = pointed ? sameCells(index, pointed) : [null, null, null];
    cells.forEach((cell, i) => {
      if (i !== index) panes[i]?.pane.point(cell);
    });
    setText(readout, pointed ? describe(cells, index) : HINT);
  }

  function describe(cells: (At | null)[], index: number): string {
    if (!props) return "";
    const weight = (scene: Scene, cell: At | null | undefined) =>
      cell ? (scene.aggregate[cell[0] * scene.source.labels.length + cell[1]] ?? 0) : null;
    const [a, b] = [weight(props.first, cells[0]), weight(props.second, cells[1])];
    const scene = index === 1 ? props.second : props.first;
    const [row, column] = cells[index === 1 ? 1 : 0] ?? [0, 0];
    const isolate = (label: string | undefined) => `\u2068${tokenText(label ?? "")}\u2069`;
    const facts = [`${isolate(scene.target.labels[row])} on ${isolate(scene.source.labels[column])}`];
    if (a !== null) facts.push(`A ${formatWeight(a, false)}`);
    if (b !== null) facts.push(`B ${formatWeight(b, false)}`);
    facts.push(
      a !== null && b !== null ? `A − B ${formatDifference(a - b)}` : "the other has no such pair of tokens",
    );
    return facts.join(" · ");
  }

  function fillSentences(sentences: readonly SentenceInfo[], current: number): void {
    if (listed !== sentences) {
      listed = sentences;
      select.replaceChildren(
        ...sentences.map((pair, index) =>
          h("option", {
            text: `${index + 1}. ${pair.name ? `${pair.name}: ` : ""}${tokenText(pair.target)}`,
            attrs: { dir: "auto" },
          }),
        ),
      );
    }
    sentenceField.hidden = sentences.length < 2;
    select.selectedIndex = current;
  }

  function showMaps({ first, second, theme, fade }: CompareProps): void {
    if (compared?.first !== first || compared.second !== second)
      compared = { first, second, difference: differenceOf(first, second) };
    const { difference } = compared;
    const top = Math.max(maximum(first.aggregate), maximum(second.aggregate));
    const shared = { marks: [], pin: null, fade, enlarged: false, theme, beside: [first, second] };
    const wanted = Math.max(...[first, second].map((scene) => panes[0]?.pane.widthFor(scene) ?? 0));
    const least = wanted > WIDEST ? NARROWEST : Math.max(NARROWEST, wanted);
    row.style.setProperty("--xattn-pane", `${least}px`);
    for (const [index, scene] of [first, second].entries()) {
      const part = panes[index];
      if (!part) continue;
      part.pane.element.hidden = false;
      part.pane.show({ ...scene, ...shared, cells: sceneCells(scene, top, theme) });
    }
    if (last) {
      last.pane.element.hidden = difference === null;
      none.hidden = difference !== null;
      setText(none, "A and B have no tokens in common. Whole words instead of subwords may help.");
      setText(last.text, sharedText(first, second, difference));
      if (difference) {
        const cells = differenceCells(difference.values, difference.top, theme);
        last.pane.show({ ...difference, ...shared, cells });
      }
    }
    if (readout.textContent === "") setText(readout, HINT);
    weights.show(theme.ramp.gradient, ticksTo(top), `rows: ${rowName(first.spec.reading, first.spec.words)}`);
    differences.show(theme.diverging.gradient, ticksAround(difference?.top ?? 0), DIFFERENCES);
  }

  function showPictures({ first, theme, opacity }: CompareProps, pictured: Pictured): void {
    row.style.setProperty("--xattn-pane", `${PICTURE}px`);
    for (const { pane } of panes) pane.element.hidden = true;
    const drawn = pictures.show({ scene: first, pictured, opacity, theme });
    panes.forEach(({ picture }, index) => {
      picture.hidden = !drawn[index];
    });
    const lack = lackText(pictured);
    none.hidden = lack === "";
    setText(none, lack);
    if (last) setText(last.text, "");
    if (readout.textContent === "") setText(readout, PICTURE_HINT);
    const gradients = pictures.gradients();
    weights.show(gradients.weights, ticksTo(pictured.top), "");
    differences.show(gradients.differences, ticksAround(pictured.difference?.top ?? 0), DIFFERENCES);
  }

  return {
    element,
    show(next) {
      props = next;
      fillSentences(next.sentences, next.second.spec.sentence);
      zero.hidden = next.zero === "";
      setText(zero, next.zero);
      sides.forEach(({ input }, index) => {
        input.checked = next.editing === (index === 1);
      });
      sides.forEach((_, index) => {
        const part = panes[index];
        if (!part) return;
        part.dot.style.backgroundColor = next.colors[index] ?? "";
        setText(part.text, next.names[index] ?? "");
        part.text.title = next.names[index] ?? "";
      });
      if (last) last.dot.hidden = true;
      pictures.field.hidden = next.pictured === null;
      for (const part of panes) part.picture.hidden = next.pictured === null;
      if (next.pictured) showPictures(next, next.pictured);
      else showMaps(next);
    },
  };
}

type Ticks = [string, string, string];

function ticksTo(top: number): Ticks {
  return ["0", (top / 4).toFixed(2), top.toFixed(2)];
}

function ticksAround(limit: number): Ticks {
  return [formatDifference(-limit), "0", formatDifference(limit)];
}

/** Units of a scene, by the units that both share. */
interface SharedUnits {
  source: number[];
  target: number[];
}

function sharedCell({ source, target }: SharedUnits, [t, s]: At): At | null {
  const [row, column] = [target.indexOf(t), source.indexOf(s)];
  return row >= 0 && column >= 0 ? [row, column] : null;
}

function cellIn({ source, target }: SharedUnits, [row, column]: At): At {
  return [target[row] ?? 0, source[column] ?? 0];
}

function sharedText(a: Scene, b: Scene, difference: Difference | null): string {
  if (!difference) return "";
  const { target, source } = difference;
  const whole =
    target.labels.length === Math.max(a.target.labels.length, b.target.labels.length) &&
    source.labels.length === Math.max(a.source.labels.length, b.source.labels.length);
  return whole ? "" : `${target.labels.length} target, ${source.labels.length} source tokens in both`;
}
