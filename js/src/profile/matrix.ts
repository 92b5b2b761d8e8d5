// How much every two heads agree: a square for each pair, and a readout of the one that is pointed at.
import type { Head } from "../core/contract";
import { h, prepareCanvas, setText } from "../core/dom";
import { headName } from "../core/format";
import { claim, gridMove } from "../core/keyboard";
import type { Theme } from "../core/theme";
import type { ProfileInfo } from "./contract";
import { extremesText, headOf, type Numbers } from "./numbers";

export interface MatrixProps {
  info: ProfileInfo;
  numbers: Numbers;
  head: Head;
  theme: Theme;
  width: number;
}

export interface MatrixView {
  element: HTMLElement;
  show(props: MatrixProps): void;
}

const [LARGEST_CELL, LARGEST] = [14, 420];

export function createMatrix(events: { pick(head: Head): void }, signal: AbortSignal): MatrixView {
  const canvas = h("canvas", { class: "xattn-agreement", attrs: { role: "img", tabindex: "0" } });
  const low = h("span", { class: "xattn-number" });
  const high = h("span", { class: "xattn-number" });
  const ramp = h("span", { class: "xattn-ramp", attrs: { "aria-hidden": "true" } });
  const readout = h("div", { class: "xattn-readout xattn-small xattn-muted" });
  const sample = h("div", { class: "xattn-small xattn-muted" });
  const spoken = h("div", { class: "xattn-hidden", attrs: { role: "status" } });
  const element = h(
    "div",
    { class: "xattn-agreement-part" },
    h("h3", { class: "xattn-head-card-heading", text: "Agreement between heads" }),
    h("div", { class: "xattn-legend" }, low, ramp, high),
    canvas,
    readout,
    sample,
    spoken,
  );
  let props: MatrixProps | null = null;
  let cursor: [number, number] | null = null;
  let picture: { numbers: Numbers; theme: Theme; canvas: HTMLCanvasElement } | null = null;
  let extremes: { numbers: Numbers; words: string; domain: [number, number] } | null = null;

  const count = () => (props ? props.info.layers * props.info.heads : 0);
  const side = () => Math.min(LARGEST, props?.width ?? LARGEST, count() * LARGEST_CELL);

  function cellAt(event: MouseEvent): [number, number] {
    const box = canvas.getBoundingClientRect();
    const place = (offset: number, size: number) =>
      Math.max(0, Math.min(count() - 1, Math.floor((offset / Math.max(size, 1)) * count())));
    return [place(event.clientY - box.top, box.height), place(event.clientX - box.left, box.width)];
  }

  function words([row, column]: [number, number]): string {
    if (!props) return "";
    const { info, numbers } = props;
    if (row === column) return headName(...headOf(info, row));
    const value = numbers.agreement(row, column);
    const names = `${headName(...headOf(info, row))} and ${headName(...headOf(info, column))}`;
    return `${names}: ${value === null ? "undefined" : value.toFixed(3)}`;
  }

  function point(to: [number, number] | null): void {
    cursor = to;
    setText(readout, to ? words(to) : (extremes?.words ?? ""));
    paint();
  }

  canvas.addEventListener("pointermove", (event) => point(cellAt(event)), { signal });
  canvas.addEventListener("pointerleave", () => point(null), { signal });
  canvas.addEventListener("blur", () => point(null), { signal });
  canvas.addEventListener(
    "click",
    (event) => {
      if (props) events.pick(headOf(props.info, cellAt(event)[0]));
    },
    { signal },
  );
  canvas.addEventListener(
    "keydown",
    (event) => {
      if (!props) return;
      const own = props.head[0] * props.info.heads + props.head[1];
      const from: [number, number] = cursor ?? [own, own];
      if (event.key === "Enter" || event.key === " ") {
        claim(event);
        events.pick(headOf(props.info, from[0]));
        return;
      }
      const to = gridMove(event.key, from, count(), count());
      if (!to) return;
      claim(event);
      point(to);
      setText(spoken, words(to));
    },
    { signal },
  );

  function summarize({ info, numbers }: MatrixProps): { words: string; domain: [number, number] } {
    if (extremes?.numbers === numbers) return extremes;
    let [least, most] = [1, 0];
    for (let row = 0; row < count(); row++)
      for (let column = 0; column < row; column++) {
        const value = numbers.agreement(row, column);
        if (value === null) continue;
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    extremes = { numbers, words: extremesText(info, numbers), domain: [Math.min(least, most), most] };
    return extremes;
  }

  /** A pixel for each pair, painted once: pointing at it must not paint all again. */
  function pictureOf({ numbers, theme }: MatrixProps, [least, most]: [number, number]): HTMLCanvasElement {
    if (picture?.numbers === numbers && picture.theme === theme) return picture.canvas;
    const all = count();
    const canvas = h("canvas");
    [canvas.width, canvas.height] = [all, all];
    const context = canvas.getContext("2d");
    const image = context?.createImageData(all, all);
    if (context && image) {
      const pixels = new Uint32Array(image.data.buffer);
      for (let row = 0; row < all; row++)
        for (let column = 0; column < all; column++) {
          // A head is like itself, which says nothing.
          const value = row === column ? null : numbers.agreement(row, column);
          const place = value === null || most <= least ? 0.5 : (value - least) / (most - least);
          pixels[row * all + column] = value === null ? 0 : (theme.ramp.pixels[Math.round(place * 255)] ?? 0);
        }
      context.putImageData(image, 0, 0);
    }
    picture = { numbers, theme, canvas };
    return canvas;
  }

  function paint(): void {
    if (!props) return;
    const { info, head, theme } = props;
    const [size, all] = [side(), count()];
    const context = prepareCanvas(canvas, size, size);
    if (!context) return;
    const { domain } = summarize(props);
    const edge = (index: number) => Math.round((index * size) / all);
    context.imageSmoothingEnabled = false;
    context.drawImage(pictureOf(props, domain), 0, 0, size, size);
    context.fillStyle = theme.paper;
    for (let layer = 1; layer < info.layers; layer++) {
      context.fillRect(edge(layer * info.heads) - 1, 0, 1, size);
      context.fillRect(0, edge(layer * info.heads) - 1, size, 1);
    }
    const outline = (top: number, left: number, rows: number, columns: number) => {
      context.strokeStyle = theme.mark;
      context.lineWidth = 1.5;
      const [x, y] = [edge(left) + 0.75, edge(top) + 0.75];
      context.strokeRect(x, y, edge(left + columns) - x - 0.75, edge(top + rows) - y - 0.75);
    };
    outline(head[0] * info.heads + head[1], 0, 1, all);
    if (cursor) outline(cursor[0], cursor[1], 1, 1);
  }

  return {
    element,
    show(next) {
      props = next;
      const { words: summary, domain } = summarize(next);
      canvas.setAttribute(
        "aria-label",
        `Agreement of every two heads. ${summary} Arrow keys move, Enter picks a head.`,
      );
      setText(low, domain[0].toFixed(2));
      setText(high, domain[1].toFixed(2));
      const { drawn } = next.info;
      setText(sample, `Mean over all rows of ${drawn} sentence${drawn === 1 ? "" : "s"} drawn at random.`);
      ramp.style.backgroundImage = next.theme.ramp.gradient;
      if (!cursor) setText(readout, summary);
      paint();
    },
  };
}
