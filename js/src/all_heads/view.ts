// Small multiples: every head as a thumbnail, drawn layer by layer as they come into view.

import type { Head } from "../core/contract";
import type { LayerWeights } from "../core/data";
import { h, setText } from "../core/dom";
import { formatScore, headName, seenName } from "../core/format";
import { claim, gridMove } from "../core/keyboard";
import { sameHead } from "../core/picks";
import { followPointing } from "../core/pointing";
import type { Theme } from "../core/theme";
import { createEnlarged, type EnlargedProps } from "./enlarged";
import type { Pictured } from "./pictured";

export interface AllHeadsProps {
  layers: number;
  heads: number;
  sentence: number;
  values: readonly (readonly (number | null)[])[] | null;
  scoreName: string;
  picked: readonly Head[];
  theme: Theme;
  /** What the heads are drawn over; null for matrices. */
  pictured: Pictured | null;
}

export interface AllHeadsEvents {
  pick(head: Head, add: boolean): void;
  /** Opens a head in the first view. */
  open(head: Head): void;
  /** A head is pointed at; null for none. */
  point(head: Head | null): void;
  /** A thumbnail of this layer came into view and has nothing to show yet. */
  need(layer: number): void;
}

export interface AllHeadsView {
  element: HTMLElement;
  show(props: AllHeadsProps): void;
  /** The weights of a layer, each head of which `draw` draws. */
  provide(
    sentence: number,
    layer: number,
    reply: LayerWeights,
    draw: (canvas: HTMLCanvasElement, head: number) => void,
  ): void;
  /** Enlarges a head beside its thumbnail; null ends it. */
  enlarge(props: EnlargedProps | null): void;
}

const POINTING =
  "Pointing at a head enlarges it, a click picks it, a double click (or Enter) opens it in the first view.";
const AS_MATRIX = `Target tokens down, source across, all positions; of sound, those inside it. Color: square root of the weight, 0 to 1. ${POINTING}`;
const OVER_PICTURE = `The picture with the patches that the pinned word looks at, or else the mean of all words. Color: square root of the weight, from 0 to the largest of each head. ${POINTING}`;

export function createAllHeads(events: AllHeadsEvents, signal: AbortSignal): AllHeadsView {
  const grid = h("div", { class: "xattn-multiples", attrs: { role: "group", "aria-label": "All heads" } });
  const scroller = h("div", { class: "xattn-multiples-scroll" }, grid);
  const note = h("div", { class: "xattn-small xattn-muted", text: AS_MATRIX });
  const enlarged = createEnlarged();
  const element = h("div", { class: "xattn-all" }, scroller, note, enlarged.element);
  let cells: { button: HTMLButtonElement; canvas: HTMLCanvasElement; score: HTMLElement }[][] = [];
  let props: AllHeadsProps | null = null;
  let drawn = new Set<number>();
  let inView = new Set<number>();

  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const layer = Number((entry.target as HTMLElement).dataset.layer);
        if (entry.isIntersecting) inView.add(layer);
        else inView.delete(layer);
      }
      ask();
    },
    { root: scroller, rootMargin: "80px" },
  );
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });

  function ask(): void {
    for (const layer of inView) if (!drawn.has(layer)) events.need(layer);
  }

  function build(layers: number, heads: number): void {
    observer.disconnect();
    inView = new Set();
    drawn = new Set();
    grid.style.setProperty("--xattn-heads", String(heads));
    cells = Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: heads }, (_, head) => {
        const canvas = h("canvas", { attrs: { "aria-hidden": "true" } });
        const score = h("span", { class: "xattn-number" });
        const caption = h(
          "span",
          { class: "xattn-caption" },
          h("span", { class: "xattn-caption-name", text: `L${layer} H${head}` }),
          " ",
          score,
        );
        const button = h(
          "button",
          {
            class: "xattn-multiple",
            attrs: {
              type: "button",
              tabindex: layer + head === 0 ? "0" : "-1",
              "data-layer": String(layer),
              "data-head": String(head),
            },
          },
          canvas,
          caption,
        );
        return { button, canvas, score };
      }),
    );
    const axis = (text: string, kind: string) =>
      h("span", { class: `xattn-axis ${kind}`, text, attrs: { "aria-hidden": "true" } });
    grid.replaceChildren(
      axis("", "xattn-multiples-head"),
      ...Array.from({ length: heads }, (_, head) => axis(String(head), "xattn-multiples-head")),
      ...cells.flatMap((row, layer) => [
        axis(String(layer), "xattn-multiples-layer"),
        ...row.map(({ button }) => button),
      ]),
    );
    for (const row of cells) if (row[0]) observer.observe(row[0].button);
  }

  function headAt(target: EventTarget | null): [number, number] | null {
    const button = target instanceof Element ? target.closest("button") : null;
    return button ? [Number(button.dataset.layer), Number(button.dataset.head)] : null;
  }

  grid.addEventListener(
    "click",
    (event) => {
      const head = headAt(event.target);
      if (head) events.pick(head, event.shiftKey || event.ctrlKey || event.metaKey);
    },
    { signal },
  );
  grid.addEventListener(
    "dblclick",
    (event) => {
      const head = headAt(event.target);
      if (head) events.open(head);
    },
    { signal },
  );
  followPointing(grid, headAt, events.point, signal);
  grid.addEventListener(
    "keydown",
    (event) => {
      const head = headAt(event.target);
      if (!head) return;
      if (event.key === "Enter") {
        claim(event);
        events.open(head);
      }
      const next = gridMove(event.key, head, cells.length, cells[0]?.length ?? 0);
      if (!next) return;
      claim(event);
      const [from, to] = [cells[head[0]]?.[head[1]]?.button, cells[next[0]]?.[next[1]]?.button];
      if (from) from.tabIndex = -1;
      if (to) to.tabIndex = 0;
      to?.focus();
    },
    { signal },
  );

  return {
    element,
    show(next) {
      const before = props;
      props = next;
      if (cells.length !== next.layers || cells[0]?.length !== next.heads) build(next.layers, next.heads);
      const isOld =
        before &&
        (before.theme !== next.theme ||
          before.sentence !== next.sentence ||
          before.pictured !== next.pictured);
      if (isOld) drawn = new Set();
      grid.classList.toggle("xattn-pictured", next.pictured !== null);
      setText(note, next.pictured ? OVER_PICTURE : AS_MATRIX);
      for (const [layer, row] of cells.entries())
        for (const [head, { button, score }] of row.entries()) {
          const value = next.values?.[layer]?.[head];
          const text = next.values ? formatScore(value) : "";
          const shown = text === "undefined" ? "–" : text;
          setText(score, shown);
          button.title = `${headName(layer, head)}${text ? `, ${next.scoreName} ${text}` : ""}`;
          button.setAttribute("aria-label", seenName(layer, head, shown, button.title));
          button.setAttribute(
            "aria-pressed",
            String(next.picked.some((other) => sameHead(other, [layer, head]))),
          );
        }
      ask();
    },
    provide(sentence, layer, reply, draw) {
      if (!props || props.sentence !== sentence || drawn.has(layer)) return;
      drawn.add(layer);
      cells[layer]?.forEach(({ button, canvas }, head) => {
        const absent = reply.missing?.includes(head) ?? false;
        button.classList.toggle("xattn-absent", absent);
        if (props && !absent) draw(canvas, head);
      });
    },
    enlarge(next) {
      const [layer, head] = next?.scene.spec.heads[0] ?? [-1, -1];
      enlarged.show(next, cells[layer]?.[head]?.button, element);
    },
  };
}
