// A long sentence at a glance, beside its window: all lines small, the window framed; a click scrolls there.
import { h, prepareCanvas } from "../core/dom";
import { PALETTE } from "../core/palette";
import { canvasSurface } from "../core/surface";
import type { Theme } from "../core/theme";
import { type Slots, scaledSlots } from "./geometry";
import { type LineStage, paintLines } from "./paint";
import { type Lines, strongest } from "./selection";

export interface OverviewProps {
  lines: Lines;
  source: Slots;
  target: Slots;
  colors: readonly string[];
  theme: Theme;
  /** Height of the window and of all that it scrolls over. */
  height: number;
  extent: number;
}

export interface Overview {
  element: HTMLElement;
  show(props: OverviewProps): void;
  /** Frames the window at this place, and draws the lines of the inspected token. */
  mark(scroll: number, active: Lines | null): void;
}

const WIDTH = PALETTE.sizes.overview;
/** At this size, more lines would blur together. */
const MOST = 600;

export function createOverview(events: { scroll(to: number): void }, signal: AbortSignal): Overview {
  const base = h("canvas");
  const over = h("canvas");
  const element = h("div", { class: "xattn-overview", attrs: { "aria-hidden": "true" } }, base, over);
  let props: OverviewProps | null = null;
  let stage: LineStage | null = null;
  let dragging = false;

  function go(event: PointerEvent): void {
    if (!props) return;
    const share = (event.clientY - element.getBoundingClientRect().top) / props.height;
    events.scroll(share * props.extent - props.height / 2);
  }
  element.addEventListener(
    "pointerdown",
    (event) => {
      dragging = true;
      element.setPointerCapture(event.pointerId);
      go(event);
    },
    { signal },
  );
  element.addEventListener("pointermove", (event) => dragging && go(event), { signal });
  const drop = () => {
    dragging = false;
  };
  element.addEventListener("pointerup", drop, { signal });
  element.addEventListener("pointercancel", drop, { signal });

  return {
    element,
    show(next) {
      props = next;
      const scale = next.height / next.extent;
      stage = {
        layout: "columns",
        source: scaledSlots(next.source, scale),
        target: scaledSlots(next.target, scale),
        scroll: 0,
        width: WIDTH,
        height: next.height,
        pen: 0.5,
      };
      const context = prepareCanvas(base, WIDTH, next.height);
      if (context) paintLines(canvasSurface(context), strongest(next.lines, MOST), stage, next.colors);
    },
    mark(scroll, active) {
      if (!props || !stage) return;
      base.style.opacity = active ? "0.25" : "";
      const context = prepareCanvas(over, WIDTH, props.height);
      if (!context) return;
      if (active) paintLines(canvasSurface(context), active, stage, props.colors);
      const scale = props.height / props.extent;
      const [top, tall] = [scroll * scale, Math.max(6, props.height * scale)];
      context.fillStyle = props.theme.foreground;
      context.globalAlpha = 0.08;
      context.fillRect(0, top, WIDTH, tall);
      context.globalAlpha = 0.55;
      context.strokeStyle = props.theme.foreground;
      context.strokeRect(0.5, top + 0.5, WIDTH - 1, tall - 1);
      context.globalAlpha = 1;
    },
  };
}
