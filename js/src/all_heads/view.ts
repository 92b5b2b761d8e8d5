// Small multiples: every head as a thumbnail, drawn when it comes into view, a layer at a time.

import type { Head, LayerReply } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore, headName, seenName } from "../core/format";
import { claim, gridMove } from "../core/keyboard";
import { sameHead } from "../core/picks";
import type { Theme } from "../core/theme";

export interface AllHeadsProps {
  layers: number;
  heads: number;
  sentence: number;
  values: readonly (readonly (number | null)[])[] | null;
  scoreName: string;
  picked: readonly Head[];
  theme: Theme;
}

export interface AllHeadsEvents {
  open(head: Head): void;
  /** A thumbnail of this layer came into view and has nothing to show yet. */
  need(layer: number): void;
}

export interface AllHeadsView {
  element: HTMLElement;
  show(props: AllHeadsProps): void;
  provide(sentence: number, layer: number, reply: LayerReply): void;
}

const LARGEST = 96;

export function createAllHeads(events: AllHeadsEvents, signal: AbortSignal): AllHeadsView {
  const grid = h("div", { class: "xattn-multiples", attrs: { role: "group", "aria-label": "All heads" } });
  const scroller = h("div", { class: "xattn-multiples-scroll" }, grid);
  const note = h("div", {
    class: "xattn-small xattn-muted",
    text: "Target tokens down, source tokens across, all positions. Color: square root of the weight, 0 to 1. Click opens a head.",
  });
  const element = h("div", { class: "xattn-all" }, scroller, note);
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
          h("span", { text: `L${layer} H${head}` }),
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
    grid.replaceChildren(...cells.flat().map(({ button }) => button));
    for (const row of cells) if (row[0]) observer.observe(row[0].button);
  }

  function buttonAt(target: EventTarget | null): [number, number] | null {
    const button = target instanceof Element ? target.closest("button") : null;
    return button ? [Number(button.dataset.layer), Number(button.dataset.head)] : null;
  }

  grid.addEventListener(
    "click",
    (event) => {
      const at = buttonAt(event.target);
      if (at) events.open(at);
    },
    { signal },
  );
  grid.addEventListener(
    "keydown",
    (event) => {
      const at = buttonAt(event.target);
      const next = at && gridMove(event.key, at, cells.length, cells[0]?.length ?? 0);
      if (!at || !next) return;
      claim(event);
      const [from, to] = [cells[at[0]]?.[at[1]]?.button, cells[next[0]]?.[next[1]]?.button];
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
      if (before && (before.theme !== next.theme || before.sentence !== next.sentence)) drawn = new Set();
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
    provide(sentence, layer, reply) {
      if (!props || props.sentence !== sentence || drawn.has(layer)) return;
      drawn.add(layer);
      cells[layer]?.forEach(({ button, canvas }, head) => {
        const absent = reply.missing?.includes(head) ?? false;
        button.classList.toggle("xattn-absent", absent);
        if (props && !absent) drawThumbnail(canvas, reply, head, props.theme);
      });
    },
  };
}

/** Draws one head; larger ones are reduced by their maxima, so that no peak is lost. */
function drawThumbnail(canvas: HTMLCanvasElement, reply: LayerReply, head: number, theme: Theme): void {
  const [, rows, columns] = reply.shape;
  const width = Math.max(1, Math.min(columns, LARGEST));
  const height = Math.max(1, Math.min(rows, LARGEST));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) return;
  const peaks = new Uint8Array(width * height);
  const start = head * rows * columns;
  for (let t = 0; t < rows; t++) {
    const y = Math.floor((t * height) / rows) * width;
    for (let s = 0; s < columns; s++) {
      const at = y + Math.floor((s * width) / columns);
      const value = reply.bytes[start + t * columns + s] ?? 0;
      if (value > (peaks[at] ?? 0)) peaks[at] = value;
    }
  }
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  peaks.forEach((value, i) => {
    pixels[i] = theme.ramp.pixels[value] ?? 0;
  });
  context.putImageData(image, 0, 0);
}
