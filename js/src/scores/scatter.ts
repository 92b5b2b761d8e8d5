// Two scores against each other, one dot a head: click or Enter picks it, arrow keys go to the next dot.

import type { Head, ScoreInfo, ScoresReply } from "../core/contract";
import { h, setText, svg } from "../core/dom";
import { formatScore, headName } from "../core/format";
import { claim } from "../core/keyboard";
import { sameHead } from "../core/picks";
import { type Dot, dotsOf, nextDot, niceScale, position } from "./geometry";

export interface ScatterProps {
  scores: readonly ScoreInfo[];
  x: string;
  y: string;
  grids: ReadonlyMap<string, ScoresReply>;
  failures: ReadonlyMap<string, string>;
  picked: readonly Head[];
  outlines: readonly string[];
}

export interface ScatterEvents {
  pick(head: Head, add: boolean): void;
  second(name: string): void;
}

export interface ScatterView {
  element: HTMLElement;
  show(props: ScatterProps): void;
}

const WIDTH = 420;
const HEIGHT = 300;
const MARGIN = { left: 58, right: 22, top: 12, bottom: 40 };

export function createScatter(events: ScatterEvents, signal: AbortSignal): ScatterView {
  const select = h("select");
  select.addEventListener("change", () => events.second(select.value), { signal });
  const field = h(
    "label",
    { class: "xattn-field" },
    h("span", { class: "xattn-label", text: "Against (upward)" }),
    select,
  );
  const plot = svg("svg", {
    class: "xattn-scatter-plot",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "group",
    "aria-label": "Scatter of two scores, one dot a head; arrow keys go from dot to dot",
  });
  const readout = h("div", { class: "xattn-readout xattn-small" });
  const element = h("div", { class: "xattn-scatter" }, field, plot, readout);
  let props: ScatterProps | null = null;
  let drawn = "";
  /** The text shown until there are dots. */
  let waiting = "";
  let dots: (Dot & { element: SVGCircleElement; name: string })[] = [];
  let shown: readonly ScoreInfo[] | null = null;

  const dotOf = (target: EventTarget | null) =>
    dots.findIndex((dot) => target instanceof Element && dot.element === target);
  const tell = (index: number) => setText(readout, dots[index]?.name ?? hint());
  const hint = () => (dots.length > 0 ? "Click a dot to pick its head; shift adds." : waiting);

  plot.addEventListener("pointerover", (event) => tell(dotOf(event.target)), { signal });
  plot.addEventListener("focusin", (event) => tell(dotOf(event.target)), { signal });
  plot.addEventListener("pointerleave", () => tell(-1), { signal });
  const pick = (event: MouseEvent | KeyboardEvent) => {
    const dot = dots[dotOf(event.target)];
    if (dot) events.pick(dot.head, event.shiftKey || event.ctrlKey || event.metaKey);
  };
  plot.addEventListener("click", pick, { signal });
  plot.addEventListener(
    "keydown",
    (event) => {
      const at = dotOf(event.target);
      if (at < 0) return;
      if (event.key === "Enter" || event.key === " ") {
        claim(event);
        pick(event);
        return;
      }
      const places = dots.map(({ element: dot }) => ({
        x: Number(dot.getAttribute("cx")),
        y: Number(dot.getAttribute("cy")),
      }));
      if (!event.key.startsWith("Arrow")) return;
      claim(event);
      const next = nextDot(places, at, event.key);
      if (next !== null) focus(next);
    },
    { signal },
  );

  function tabStop(index: number): void {
    dots.forEach(({ element: dot }, i) => {
      dot.setAttribute("tabindex", i === index ? "0" : "-1");
    });
  }

  function focus(index: number): void {
    tabStop(index);
    dots[index]?.element.focus();
  }

  function draw(x: ScoresReply, y: ScoresReply, next: ScatterProps): void {
    const found = dotsOf(x.values, y.values);
    const [wide, tall] = [WIDTH - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
    const xs = niceScale(found.map((dot) => dot.x));
    const ys = niceScale(found.map((dot) => dot.y));
    const [px, py] = [
      (value: number) => MARGIN.left + position(value, xs, wide),
      (value: number) => MARGIN.top + tall - position(value, ys, tall),
    ];
    const [bottom, right] = [MARGIN.top + tall, MARGIN.left + wide];
    const hidden = { "aria-hidden": "true" };
    const line = (x1: number, y1: number, x2: number, y2: number) =>
      svg("line", { x1, y1, x2, y2, class: "xattn-grid-line", ...hidden });
    const label = (text: string, at: { x: number; y: number }, anchor: string, turn = "") => {
      const made = svg("text", {
        ...at,
        "text-anchor": anchor,
        class: "xattn-tick",
        transform: turn,
        ...hidden,
      });
      made.textContent = text;
      return made;
    };
    dots = found.map((dot) => {
      const name = `${headName(...dot.head)}: ${next.x} ${formatScore(dot.x)}, ${next.y} ${formatScore(dot.y)}`;
      const circle = svg("circle", {
        cx: px(dot.x).toFixed(1),
        cy: py(dot.y).toFixed(1),
        r: 5,
        class: "xattn-dot-mark",
        role: "button",
        tabindex: -1,
        "aria-label": name,
        "data-head": dot.head.join(),
      });
      return { ...dot, element: circle, name };
    });
    const middle = MARGIN.top + tall / 2;
    plot.replaceChildren(
      ...xs.ticks.map((tick) => line(px(tick), MARGIN.top, px(tick), bottom)),
      ...ys.ticks.map((tick) => line(MARGIN.left, py(tick), right, py(tick))),
      ...xs.ticks.map((tick) => label(tickText(tick), { x: px(tick), y: bottom + 14 }, "middle")),
      ...ys.ticks.map((tick) => label(tickText(tick), { x: MARGIN.left - 6, y: py(tick) + 3.5 }, "end")),
      label(next.x, { x: MARGIN.left + wide / 2, y: HEIGHT - 8 }, "middle"),
      label(next.y, { x: 12, y: middle }, "middle", `rotate(-90 12 ${middle})`),
      ...dots.map(({ element: dot }) => dot),
    );
    tabStop(0);
    const missing = x.values.flat().length - dots.length;
    plot.dataset.undefined = String(missing);
  }

  return {
    element,
    show(next) {
      props = next;
      if (shown !== next.scores) {
        shown = next.scores;
        select.replaceChildren(
          ...next.scores.map(({ name, description }) =>
            h("option", { text: name, title: description, attrs: { value: name } }),
          ),
        );
      }
      select.value = next.y;
      const [x, y] = [next.grids.get(next.x), next.grids.get(next.y)];
      if (!x || !y) {
        if (drawn !== "") plot.replaceChildren();
        [drawn, dots] = ["", []];
        const failed = [next.x, next.y].find((name) => next.failures.has(name));
        waiting = failed === undefined ? "computing the scores…" : `${failed} could not be computed`;
        setText(readout, waiting);
        return;
      }
      const key = JSON.stringify([next.x, next.y, x.values, y.values]);
      if (key !== drawn) {
        drawn = key;
        waiting = "";
        draw(x, y, next);
        tell(-1);
      }
      dots.forEach(({ element: dot, head }) => {
        const at = props?.picked.findIndex((other) => sameHead(other, head)) ?? -1;
        dot.setAttribute("aria-pressed", String(at >= 0));
        dot.style.fill = at >= 0 ? (next.outlines[at] ?? "") : "";
      });
      // Picked dots lie above the others, where they overlap.
      for (const { element: dot } of dots)
        if (dot.getAttribute("aria-pressed") === "true" && dot !== dot.ownerDocument.activeElement)
          plot.append(dot);
    },
  };
}

/** A round number as short as it is. */
function tickText(tick: number): string {
  return String(Number(tick.toPrecision(6))).replace("-", "−");
}
