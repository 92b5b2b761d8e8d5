// The heat map of the picked heads: target rows by source columns, with thinned labels and a crosshair.
import { h, prepareCanvas, setText } from "../dom";
import { tokenText } from "../format";
import { cellAt, labelStep } from "../geometry";
import { claim, gridMove } from "../keyboard";
import { drawCross, drawHeat, shorten } from "../paint_heat";
import type { Scene } from "../scene";
import type { Theme } from "../theme";

export interface MatrixProps {
  scene: Scene;
  fade: boolean;
  theme: Theme;
}

export interface MatrixEvents {
  cell(at: [target: number, source: number] | null): void;
  pin(target: number): void;
  unpin(): void;
  layer(by: number): void;
}

export interface MatrixView {
  element: HTMLElement;
  show(props: MatrixProps): void;
}

const LARGEST_CELL = 40;
const TALLEST = 520;
const LABEL_PITCH = 15;
/** Half a label's height: how near to the edge its centre may come. */
const EDGE = 6;

export function createMatrix(events: MatrixEvents, signal: AbortSignal): MatrixView {
  const heat = h("canvas", { class: "xattn-heat" });
  const cross = h("canvas", { class: "xattn-cross" });
  const top = h("canvas", { class: "xattn-top-labels", attrs: { "aria-hidden": "true" } });
  const left = h("canvas", { class: "xattn-left-labels", attrs: { "aria-hidden": "true" } });
  const plot = h(
    "div",
    {
      class: "xattn-plot",
      attrs: {
        role: "application",
        tabindex: "0",
        "aria-label": "Heat map of attention, target rows by source columns; arrow keys move the cell",
      },
    },
    heat,
    cross,
  );
  const corner = h("div", { class: "xattn-corner", attrs: { "aria-hidden": "true" } });
  const frame = h("div", { class: "xattn-matrix-frame" }, corner, top, left, plot);
  const scroller = h("div", { class: "xattn-matrix-scroll" }, frame);
  const ramp = h("span", { class: "xattn-ramp" });
  const [low, middle, high] = ["0", "", ""].map((text) => h("span", { class: "xattn-number", text })) as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
  ];
  const axes = h("span", { class: "xattn-small xattn-muted" });
  const legend = h(
    "div",
    { class: "xattn-matrix-legend", title: "Square-root scale, so that small weights can be told from none" },
    h("span", { class: "xattn-label", text: "Weight" }),
    h("span", { class: "xattn-ramp-box" }, ramp, h("span", { class: "xattn-ramp-ticks" }, low, middle, high)),
    axes,
  );
  const element = h("div", { class: "xattn-matrix" }, scroller, legend);

  let props: MatrixProps | null = null;
  let cell = { width: 1, height: 1 };
  let margin = { left: 60, top: 60 };
  let at: [number, number] | null = null;
  let size = { rows: 0, columns: 0 };

  function layOut(): void {
    if (!props) return;
    const { source, target } = props.scene;
    size = { rows: target.labels.length, columns: source.labels.length };
    const context = heat.getContext("2d");
    if (context) context.font = getComputedStyle(element).font;
    const widest = (labels: string[], most: number) => {
      let found = 24;
      for (const label of labels) {
        found = Math.max(found, (context?.measureText(tokenText(label)).width ?? 0) + 10);
        if (found >= most) return most;
      }
      return Math.ceil(found);
    };
    const room = scroller.clientWidth || 600;
    margin = { left: widest(target.labels, Math.min(130, room / 4)), top: widest(source.labels, 110) };
    cell = {
      width: Math.max(1, Math.min(LARGEST_CELL, (room - margin.left - 2) / size.columns)),
      height: Math.max(1, Math.min(LARGEST_CELL, (TALLEST - margin.top) / size.rows)),
    };
    // Whole pixels, where there is room for them, keep the cells equally wide.
    if (cell.width > 4) cell.width = Math.floor(cell.width);
    if (cell.height > 4) cell.height = Math.floor(cell.height);
    frame.style.gridTemplateColumns = `${margin.left}px ${cell.width * size.columns}px`;
    frame.style.gridTemplateRows = `${margin.top}px ${cell.height * size.rows}px`;
  }

  function paintHeat(): void {
    if (!props || size.rows === 0 || size.columns === 0) return;
    const context = prepareCanvas(heat, cell.width * size.columns, cell.height * size.rows);
    if (context) drawHeat(context, props.scene, props.theme, cell, getComputedStyle(element).font);
  }

  function paintLabels(): void {
    if (!props) return;
    const { scene, theme, fade } = props;
    const font = getComputedStyle(element).font;
    const draw = (
      canvas: HTMLCanvasElement,
      side: "source" | "target",
      width: number,
      height: number,
      place: (context: CanvasRenderingContext2D, centre: number) => void,
    ) => {
      const context = prepareCanvas(canvas, width, height);
      if (!context) return;
      const { labels, special } = scene[side];
      const slot = side === "source" ? cell.width : cell.height;
      const step = labelStep(slot, LABEL_PITCH);
      // Labels of the outermost thin cells would stick out of the canvas.
      const first = Math.max(0, Math.ceil(EDGE / slot - 0.5));
      const last = labels.length - 1 - first;
      const chosen = at ? at[side === "source" ? 1 : 0] : -1;
      const room = (side === "source" ? height : width) - 8;
      context.textAlign = side === "source" ? "left" : "right";
      context.textBaseline = "middle";
      labels.forEach((label, i) => {
        // The chosen label is always drawn; its neighbours give way.
        if (chosen >= 0 && i !== chosen && Math.abs(i - chosen) * slot < LABEL_PITCH) return;
        if (i !== chosen && ((i - first) % step !== 0 || i < first || i > last)) return;
        context.save();
        context.font = i === chosen ? `600 ${font.replace(/^\d{3} /, "")}` : font;
        context.fillStyle = i === chosen ? theme.foreground : theme.muted;
        if (special[i] && fade && i !== chosen) context.globalAlpha = 0.6;
        place(context, Math.max(EDGE, Math.min(slot * labels.length - EDGE, (i + 0.5) * slot)));
        context.fillText(shorten(context, tokenText(label), room), 0, 0);
        context.restore();
      });
    };
    draw(top, "source", cell.width * size.columns, margin.top, (context, centre) => {
      context.translate(centre, margin.top - 5);
      context.rotate(-Math.PI / 2);
    });
    draw(left, "target", margin.left, cell.height * size.rows, (context, centre) => {
      context.translate(margin.left - 6, centre);
    });
  }

  function paintCross(): void {
    const context = prepareCanvas(cross, cell.width * size.columns, cell.height * size.rows);
    if (context && at && props) drawCross(context, at, cell, size, props.theme.foreground);
  }

  function move(next: [number, number] | null): void {
    if (next?.[0] === at?.[0] && next?.[1] === at?.[1]) return;
    at = next;
    paintCross();
    paintLabels();
    events.cell(at);
  }

  function cellOf(event: MouseEvent): [number, number] | null {
    const box = heat.getBoundingClientRect();
    return cellAt(
      event.clientX - box.left,
      event.clientY - box.top,
      cell.width,
      cell.height,
      size.rows,
      size.columns,
    );
  }

  plot.addEventListener("pointermove", (event) => move(cellOf(event)), { signal });
  plot.addEventListener("pointerleave", () => move(null), { signal });
  plot.addEventListener(
    "click",
    (event) => {
      const cell = cellOf(event);
      if (cell) events.pin(cell[0]);
    },
    { signal },
  );
  plot.addEventListener("blur", () => move(null), { signal });
  plot.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "PageUp" || event.key === "PageDown") {
        claim(event);
        events.layer(event.key === "PageUp" ? -1 : 1);
      } else if (event.key === "Escape") {
        claim(event);
        move(null);
        events.unpin();
      } else if (event.key === "Enter" || event.key === " ") {
        claim(event);
        if (at) events.pin(at[0]);
      } else {
        const next = at
          ? gridMove(event.key, at, size.rows, size.columns)
          : event.key.startsWith("Arrow")
            ? [0, 0]
            : null;
        if (!next) return;
        claim(event);
        move(next as [number, number]);
        keepInView();
      }
    },
    { signal },
  );

  function keepInView(): void {
    if (!at) return;
    const x = at[1] * cell.width;
    const y = at[0] * cell.height;
    const room = { x: scroller.clientWidth - margin.left, y: scroller.clientHeight - margin.top };
    if (x < scroller.scrollLeft) scroller.scrollLeft = x;
    else if (x + cell.width > scroller.scrollLeft + room.x) scroller.scrollLeft = x + cell.width - room.x;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    else if (y + cell.height > scroller.scrollTop + room.y) scroller.scrollTop = y + cell.height - room.y;
  }

  function paint(): void {
    layOut();
    paintHeat();
    paintLabels();
    paintCross();
  }

  return {
    element,
    show(next) {
      if (
        props &&
        (props.scene.source.labels.length !== next.scene.source.labels.length ||
          props.scene.reply !== next.scene.reply)
      )
        at = null;
      props = next;
      ramp.style.backgroundImage = next.theme.ramp.gradient;
      const said = next.scene.spec.reading === "output" ? "predicted" : "read";
      setText(axes, `rows: target token ${said}, columns: source`);
      setText(middle, (next.scene.top / 4).toFixed(2));
      setText(high, next.scene.top.toFixed(2));
      paint();
    },
  };
}
