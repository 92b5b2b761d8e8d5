// The grid of heads, layers down and heads across, colored by a score; clicks and keys pick heads.

import type { Head } from "../core/contract";
import { focusedIn, h, setText } from "../core/dom";
import { formatScore, headName } from "../core/format";
import { claim, gridMove } from "../core/keyboard";
import { followPointing } from "../core/pointing";
import { countDefined, isFlat, type Ranked, rankText } from "../core/ranking";
import { type Domain, shade } from "../core/scales";
import type { Theme } from "../core/theme";
import { MARKS, type Marked } from "./marked";

export interface GridProps {
  layers: number;
  heads: number;
  picked: readonly Head[];
  /** Outline color of each picked head, in the order of `picked`. */
  outlines: readonly string[];
  scoreName: string;
  ranked: readonly Ranked[] | null;
  domain: Domain | null;
  theme: Theme;
  /** For each layer the heads that cannot be shown here. */
  missing: readonly (readonly number[])[];
  /** Heads whose output is zero. */
  muted: readonly Head[];
  /** What is known of heads: a kind of mark, in words, and the heads that have it. */
  marked: readonly Marked[];
  /** The colors of heads where these are not those of a score: with a letter inside, and what they mean. */
  fill?(head: Head): Fill | null;
}

export interface Fill {
  color: string;
  ink: string;
  letter: string;
  name: string;
}

export interface GridOptions {
  label: string;
  /** Whether the number of a layer is a button that picks the layer. */
  picksLayers: boolean;
  /** Whether the arrow keys pick a head as they reach it. */
  picksByArrows: boolean;
}

const OPTIONS: GridOptions = {
  label: "Heads: layers down, heads across. Shift adds a head, M mutes it.",
  picksLayers: true,
  picksByArrows: false,
};

export interface GridEvents {
  pick(head: Head, add: boolean): void;
  pickLayer(layer: number, add: boolean): void;
  /** A head is pointed at, by the pointer or the focus; null for none. */
  point(head: Head | null): void;
  /** Whether a click on a head muted it; `wanted`: it came with Alt, or it was the key M. */
  mute(head: Head, wanted: boolean): boolean;
}

export interface Grid {
  element: HTMLElement;
  show(props: GridProps): void;
}

export function createGrid(
  events: GridEvents,
  signal: AbortSignal,
  { label: name, picksLayers, picksByArrows }: GridOptions = OPTIONS,
): Grid {
  const element = h("div", {
    class: "xattn-heads",
    attrs: { role: "group", "aria-label": name },
  });
  let buttons: HTMLButtonElement[][] = [];
  let labels: HTMLButtonElement[] = [];
  let size = "";
  const looks = new WeakMap<HTMLButtonElement, string>();
  let tabStop: HTMLButtonElement | null = null;

  function build(layers: number, heads: number): void {
    size = `${layers}x${heads}`;
    element.style.setProperty("--xattn-heads", String(heads));
    element.style.setProperty("--xattn-layers", String(layers));
    element.classList.toggle("xattn-dense", heads > 12 || layers > 12);
    const column = (_: unknown, head: number) =>
      h("span", { class: "xattn-axis", text: String(head), attrs: { "aria-hidden": "true" } });
    const corner = h("span", { class: "xattn-axis", text: "", attrs: { "aria-hidden": "true" } });
    const cells: HTMLElement[] = [corner, ...Array.from({ length: heads }, column)];
    buttons = [];
    labels = [];
    for (let layer = 0; layer < layers; layer++) {
      const label = h("button", {
        class: "xattn-row-label",
        text: String(layer),
        title: `Pick all heads of layer ${layer} (shift-click adds them)`,
        attrs: {
          type: "button",
          tabindex: "-1",
          "aria-label": `layer ${layer}, all heads`,
          "data-layer": String(layer),
        },
      });
      if (picksLayers) labels.push(label);
      const row = Array.from({ length: heads }, (_, head) =>
        h("button", {
          class: "xattn-head",
          attrs: { type: "button", tabindex: "-1", "data-layer": String(layer), "data-head": String(head) },
        }),
      );
      buttons.push(row);
      cells.push(picksLayers ? label : rowNumber(layer), ...row);
    }
    element.replaceChildren(...cells);
    tabStop = null;
  }

  function rowNumber(layer: number): HTMLElement {
    return h("span", {
      class: "xattn-axis xattn-axis-row",
      text: String(layer),
      attrs: { "aria-hidden": "true" },
    });
  }

  function headOf(target: EventTarget | null): [number, number] | null {
    const button = target instanceof Element ? target.closest("button") : null;
    if (!button || !element.contains(button)) return null;
    return [
      Number(button.dataset.layer),
      button.dataset.head === undefined ? -1 : Number(button.dataset.head),
    ];
  }

  function moveTabStop(button: HTMLButtonElement | undefined): void {
    if (!button || button === tabStop) return;
    if (tabStop) tabStop.tabIndex = -1;
    button.tabIndex = 0;
    tabStop = button;
  }

  function pick([layer, head]: [number, number], event: MouseEvent | KeyboardEvent): void {
    const add = event.shiftKey || event.ctrlKey || event.metaKey;
    if (head < 0) events.pickLayer(layer, add);
    else if (!events.mute([layer, head], event.altKey)) events.pick([layer, head], add);
  }

  element.addEventListener(
    "click",
    (event) => {
      const head = headOf(event.target);
      if (head) pick(head, event);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      const head = headOf(event.target);
      if (!head) return;
      if (event.key.toLowerCase() === "m" && !event.ctrlKey && !event.metaKey && head[1] >= 0) {
        claim(event);
        events.mute(head, true);
      } else if (event.key === "Enter" || event.key === " ") {
        claim(event);
        pick(head, event);
      } else move(event, head);
    },
    { signal },
  );

  followPointing(
    element,
    (target) => {
      const head = headOf(target);
      return head && head[1] >= 0 ? head : null;
    },
    events.point,
    signal,
  );

  function move(event: KeyboardEvent, [layer, head]: [number, number]): void {
    // The row labels, if they are buttons, are the column to the left of head 0.
    const before = picksLayers ? 1 : 0;
    const next = gridMove(
      event.key,
      [layer, head + before],
      buttons.length,
      (buttons[0]?.length ?? 0) + before,
    );
    if (!next) return;
    claim(event);
    const [row, column] = [next[0], next[1] - before];
    const button = column < 0 ? labels[row] : buttons[row]?.[column];
    moveTabStop(button);
    button?.focus();
    if (picksByArrows && column >= 0) events.pick([row, column], false);
  }

  return {
    element,
    show(props) {
      const { layers, heads, picked, outlines, scoreName, ranked, domain, theme, missing, muted, marked } =
        props;
      if (size !== `${layers}x${heads}`) build(layers, heads);
      const entries = new Map(ranked?.map((entry) => [entry.head.join(), entry]));
      const places = new Map(picked.map((head, index) => [head.join(), index]));
      const count = countDefined(ranked ?? []);
      const isEqual = ranked !== null && isFlat(ranked);
      const silenced = new Set(muted.map((head) => head.join()));
      const marks = marked.map((mark) => ({ ...mark, keys: new Set(mark.heads.map((head) => head.join())) }));
      for (const [layer, row] of buttons.entries())
        for (const [head, button] of row.entries()) {
          const key = `${layer},${head}`;
          const entry = entries.get(key);
          const index = places.get(key) ?? -1;
          const value = entry?.value ?? null;
          const absent = missing[layer]?.includes(head) ?? false;
          const silent = silenced.has(key);
          const own = marks.filter(({ keys }) => keys.has(key));
          const fill = props.fill?.([layer, head]) ?? null;
          const color = fill?.color ?? (value !== null && domain ? theme.ramp.css(shade(value, domain)) : "");
          const outline = index >= 0 ? (outlines[index] ?? outlines[0] ?? "") : "";
          const kinds = own.map(({ kind }) => kind);
          const look = [
            String(entry?.value),
            color,
            outline,
            index >= 0,
            absent,
            silent,
            fill?.letter,
            ...kinds,
          ].join(" ");
          // A large model has hundreds of heads, and most of them do not change.
          if (looks.get(button) !== look) {
            looks.set(button, look);
            button.classList.toggle("xattn-undefined", entry !== undefined && value === null);
            button.style.backgroundColor = color;
            button.style.color = outline;
            button.setAttribute("aria-pressed", String(index >= 0));
            button.replaceChildren(...(fill?.letter ? [letterOf(fill)] : []));
            button.classList.toggle("xattn-absent", absent);
            button.classList.toggle("xattn-muted-head", silent);
            for (const kind of MARKS) button.classList.toggle(`xattn-marked-${kind}`, kinds.includes(kind));
          }
          const place = isEqual ? ", all heads are equal" : `, rank ${entry && rankText(entry)} of ${count}`;
          const rank = entry && value !== null ? place : "";
          const name = `${headName(layer, head)}${fill ? `, ${fill.name}` : ""}${entry ? `, ${scoreName} ${formatScore(value)}${rank}` : ""}${absent ? ", left out" : ""}${silent ? ", muted" : ""}${own.map(({ name }) => `, ${name}`).join("")}`;
          if (button.title !== name) {
            button.title = name;
            button.setAttribute("aria-label", name);
          }
        }
      if (!tabStop || !element.contains(focusedIn(element))) {
        const last = picked[picked.length - 1];
        moveTabStop(last ? buttons[last[0]]?.[last[1]] : buttons[0]?.[0]);
      }
      for (const [layer, label] of labels.entries()) setText(label, String(layer));
    },
  };
}

function letterOf({ letter, ink }: Fill): HTMLElement {
  const element = h("span", { class: "xattn-letter", text: letter, attrs: { "aria-hidden": "true" } });
  element.style.color = ink;
  return element;
}
