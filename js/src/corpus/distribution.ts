// How a quantity is spread over the corpus: a column for each head, layer beside layer, or one histogram. A click on a
// head, a layer or "all heads" ranks the list by it.
import { h, prepareCanvas, setText } from "../core/dom";
import { formatScore, headName } from "../core/format";
import { claim, gridMove } from "../core/keyboard";
import type { Theme } from "../core/theme";
import type { DistributionReply, RankedHead } from "./contract";
import {
  describeBin,
  describeColumn,
  formatValue,
  layersPerRow,
  placeOf,
  rankedName,
  sameRanked,
} from "./numbers";

export interface Distribution {
  reply: DistributionReply;
  counts: Uint32Array;
}

export interface DistributionProps {
  name: string;
  perHead: boolean;
  distribution: Distribution | null;
  head: RankedHead;
  /** The values of the open row, [layers][heads]. */
  open: readonly (readonly (number | null)[])[] | null;
  theme: Theme;
  width: number;
}

export interface DistributionView {
  element: HTMLElement;
  show(props: DistributionProps): void;
}

interface Figure {
  label: HTMLButtonElement;
  canvas: HTMLCanvasElement;
  heads: HTMLButtonElement[];
}

const HEIGHT = 88;
const hint = (what: string) =>
  `Each column is a head: the stronger the color, the more ${what}s. The line is the median, the dot the open ${what}. Click a head or a layer to rank by it.`;

export function createDistribution(
  what: string,
  events: { rank(head: RankedHead): void },
  signal: AbortSignal,
): DistributionView {
  const all = h("button", { class: "xattn-spread-all", text: "all heads", attrs: { type: "button" } });
  const grid = h("div", { class: "xattn-spread-grid" });
  const histogram = h("canvas", { attrs: { role: "img" } });
  const ends = ["", ""].map(() => h("span", { class: "xattn-number xattn-muted" }));
  const single = h(
    "div",
    { class: "xattn-spread-single" },
    histogram,
    h("div", { class: "xattn-spread-ends" }, ...ends),
  );
  const readout = h("div", { class: "xattn-readout xattn-small" });
  const element = h(
    "div",
    { class: "xattn-spread", attrs: { role: "group", "aria-label": "Distribution, by layer and head" } },
    all,
    grid,
    single,
    readout,
  );
  let figures: Figure[] = [];
  let built = "";
  let props: DistributionProps | null = null;
  let tabStop: HTMLButtonElement | null = null;

  function build(layers: number, heads: number, columns: number): void {
    figures = Array.from({ length: layers }, (_, layer) => {
      const label = h("button", {
        class: "xattn-spread-label",
        text: `layer ${layer}`,
        attrs: { type: "button", tabindex: "-1", "data-layer": String(layer) },
      });
      const buttons = Array.from({ length: heads }, (_, head) =>
        h(
          "button",
          {
            class: "xattn-spread-head",
            attrs: { type: "button", tabindex: "-1", "data-layer": String(layer), "data-head": String(head) },
          },
          h("span", { text: String(head), attrs: { "aria-hidden": "true" } }),
        ),
      );
      return { label, canvas: h("canvas", { attrs: { "aria-hidden": "true" } }), heads: buttons };
    });
    const cells = figures.flatMap(({ label, canvas, heads }, layer) => {
      const plot = h(
        "div",
        { class: "xattn-spread-plot" },
        canvas,
        h("div", { class: "xattn-spread-heads" }, ...heads),
      );
      const figure = h("div", { class: "xattn-spread-layer" }, label, plot);
      return layer % columns === 0 ? [scale(), figure] : [figure];
    });
    // Two-digit numbers over narrow columns would run together.
    grid.classList.toggle("xattn-dense", heads > 10);
    grid.style.gridTemplateColumns = `auto repeat(${columns}, minmax(0, 1fr))`;
    grid.replaceChildren(...cells);
    tabStop = figures[0]?.heads[0] ?? null;
    if (tabStop) tabStop.tabIndex = 0;
  }

  function scale(): HTMLElement {
    return h(
      "div",
      { class: "xattn-spread-scale xattn-number xattn-muted" },
      h("span", { class: "xattn-spread-high" }),
      h("span", { class: "xattn-spread-low" }),
    );
  }

  function headOf(target: EventTarget | null): RankedHead | undefined {
    const button = target instanceof Element ? target.closest("button") : null;
    if (!button || button.dataset.layer === undefined) return button === all ? null : undefined;
    const layer = Number(button.dataset.layer);
    return button.dataset.head === undefined ? layer : [layer, Number(button.dataset.head)];
  }

  function tell(target: EventTarget | null): void {
    const head = headOf(target);
    const reply = props?.distribution?.reply;
    if (!reply || head === undefined || !Array.isArray(head)) {
      setText(readout, props?.perHead ? hint(what) : describeSingle());
      return;
    }
    const [layer, number] = head as [number, number];
    const value = props?.open?.[layer]?.[number];
    const open = value === undefined ? "" : `; the open ${what}: ${formatValue(value)}`;
    setText(readout, `${headName(layer, number)}: ${describeColumn(reply, [layer, number], what)}${open}`);
  }

  const describeSingle = () =>
    props?.distribution ? describeColumn(props.distribution.reply, [0, 0], what) : "";

  element.addEventListener("pointerover", (event) => tell(event.target), { signal });
  element.addEventListener("pointerleave", () => tell(null), { signal });
  element.addEventListener("focusin", (event) => tell(event.target), { signal });
  element.addEventListener("focusout", () => tell(null), { signal });
  element.addEventListener(
    "click",
    (event) => {
      const head = headOf(event.target);
      if (head !== undefined) events.rank(head);
    },
    { signal },
  );
  grid.addEventListener(
    "keydown",
    (event) => {
      const head = headOf(event.target);
      if (head === undefined || head === null) return;
      // The layers' labels are the column to the left of head 0.
      const place: [number, number] = typeof head === "number" ? [head, 0] : [head[0], head[1] + 1];
      const next = gridMove(event.key, place, figures.length, (figures[0]?.heads.length ?? 0) + 1);
      if (!next) return;
      claim(event);
      const figure = figures[next[0]];
      const button = next[1] === 0 ? figure?.label : figure?.heads[next[1] - 1];
      if (tabStop) tabStop.tabIndex = -1;
      tabStop = button ?? null;
      if (tabStop) tabStop.tabIndex = 0;
      tabStop?.focus();
    },
    { signal },
  );
  histogram.addEventListener(
    "pointermove",
    (event) => {
      if (!props?.distribution) return;
      const { reply, counts } = props.distribution;
      const share = event.offsetX / Math.max(1, histogram.clientWidth);
      const bin = Math.max(0, Math.min(reply.shape[2] - 1, Math.floor(share * reply.shape[2])));
      setText(readout, describeBin(reply, counts, bin, what));
    },
    { signal },
  );

  function paintHeads({ distribution, theme, open }: DistributionProps): void {
    if (!distribution) return;
    const { reply, counts } = distribution;
    const [, heads, bins] = reply.shape;
    for (const [layer, { canvas }] of figures.entries()) {
      const width = canvas.parentElement?.clientWidth ?? 0;
      const context = prepareCanvas(canvas, width, HEIGHT);
      if (!context || width === 0) continue;
      const column = width / heads;
      for (let head = 0; head < heads; head++) {
        const start = (layer * heads + head) * bins;
        const part = counts.subarray(start, start + bins);
        const most = part.reduce((a, b) => Math.max(a, b), 0);
        const [left, right] = [
          Math.round(head * column),
          Math.round((head + 1) * column) - (column > 5 ? 1 : 0),
        ];
        for (const [bin, count] of part.entries()) {
          if (count === 0) continue;
          const top = Math.round(HEIGHT - ((bin + 1) * HEIGHT) / bins);
          const bottom = Math.round(HEIGHT - (bin * HEIGHT) / bins);
          // A few sentences must be seen beside the many.
          context.fillStyle = theme.ramp.css(0.15 + (0.85 * count) / most);
          context.fillRect(left, top, right - left, bottom - top);
        }
        line(context, placeOf(reply.quartiles[layer]?.[head]?.[2], reply), left, right, theme);
        const place = placeOf(open?.[layer]?.[head], reply);
        if (place !== null)
          dot(context, (left + right) / 2, HEIGHT - place * HEIGHT, Math.min(3.5, column / 2), theme);
      }
    }
  }

  /** Where the open sentence is. */
  function dot(context: CanvasRenderingContext2D, x: number, y: number, radius: number, theme: Theme): void {
    context.beginPath();
    context.arc(x, Math.max(radius, Math.min(HEIGHT - radius, y)), radius, 0, 2 * Math.PI);
    context.fillStyle = theme.foreground;
    context.strokeStyle = theme.paper;
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
  }

  function line(
    context: CanvasRenderingContext2D,
    place: number | null,
    left: number,
    right: number,
    theme: Theme,
  ): void {
    if (place === null) return;
    const top = Math.max(1, Math.min(HEIGHT - 3, Math.round(HEIGHT - place * HEIGHT) - 1));
    // On its own ground, so that it is seen on every color.
    context.fillStyle = theme.paper;
    context.fillRect(left, top - 1, right - left, 4);
    context.fillStyle = theme.mark;
    context.fillRect(left, top, right - left, 2);
  }

  function paintSingle({ distribution, theme, width, open }: DistributionProps): void {
    const context = prepareCanvas(histogram, width, HEIGHT);
    if (!context || !distribution) return;
    const { reply, counts } = distribution;
    const bins = reply.shape[2];
    const most = Math.max(1, ...counts);
    for (const [bin, count] of counts.entries()) {
      const [left, right] = [Math.round((bin * width) / bins), Math.round(((bin + 1) * width) / bins) - 1];
      // A bar of one sentence is at least a pixel high.
      const height = count === 0 ? 0 : Math.max(1, Math.round((count / most) * (HEIGHT - 4)));
      context.fillStyle = theme.ramp.css(0.55);
      context.fillRect(left, HEIGHT - height, Math.max(1, right - left), height);
    }
    const median = placeOf(reply.quartiles[0]?.[0]?.[2], reply);
    if (median !== null) {
      context.fillStyle = theme.mark;
      context.fillRect(Math.min(width - 2, Math.round(median * width)), 0, 2, HEIGHT);
    }
    const place = placeOf(open?.[0]?.[0], reply);
    if (place !== null) dot(context, Math.max(4, Math.min(width - 4, place * width)), HEIGHT - 5, 4, theme);
  }

  function label({ distribution, head, name }: DistributionProps): void {
    const reply = distribution?.reply;
    for (const [layer, figure] of figures.entries()) {
      figure.label.setAttribute("aria-pressed", String(sameRanked(head, layer)));
      figure.label.title = `Rank by the mean of layer ${layer}`;
      for (const [number, button] of figure.heads.entries()) {
        button.setAttribute("aria-pressed", String(sameRanked(head, [layer, number])));
        const about = reply ? `: ${name} ${describeColumn(reply, [layer, number], what)}` : "";
        button.setAttribute("aria-label", `${headName(layer, number)}${about}`);
      }
    }
    all.setAttribute("aria-pressed", String(head === null));
    all.title = `Rank by ${rankedName(null)}`;
    for (const [end, value] of [
      ["high", reply?.high],
      ["low", reply?.low],
    ] as const)
      for (const element of grid.querySelectorAll(`.xattn-spread-${end}`))
        setText(element, reply ? formatScore(value) : "");
  }

  return {
    element,
    show(next) {
      props = next;
      const { distribution, perHead, width } = next;
      all.hidden = !perHead;
      grid.hidden = !perHead;
      single.hidden = perHead;
      if (perHead && distribution) {
        const [layers, heads] = distribution.reply.shape;
        const columns = layersPerRow(width, layers, heads);
        const wanted = `${layers} ${heads} ${columns}`;
        if (wanted !== built) build(layers, heads, columns);
        built = wanted;
        label(next);
        paintHeads(next);
      } else if (distribution) {
        paintSingle(next);
        histogram.setAttribute("aria-label", `Histogram of ${next.name}: ${describeSingle()}`);
        setText(ends[0] as HTMLElement, formatScore(distribution.reply.low));
        setText(ends[1] as HTMLElement, formatScore(distribution.reply.high));
      }
      tell(null);
    },
  };
}
