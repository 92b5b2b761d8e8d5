// Two scores against each other, one dot per head: click or Enter picks it, arrow keys go to the next dot.
import type { Head, ScoreInfo } from "../core/contract";
import { focusedIn, h, setText, svg } from "../core/dom";
import { claim } from "../core/keyboard";
import { sameHead } from "../core/picks";
import { nextDot } from "./geometry";
import type { Grids } from "./grids";
import { type DotMark, type Mark, SIZE, scatterMarks } from "./marks";

export interface ScatterProps {
  scores: readonly ScoreInfo[];
  axes: readonly [x: string, y: string];
  grids: Grids;
}

export interface ScatterEvents {
  pick(head: Head, add: boolean): void;
  second(name: string): void;
}

export interface ScatterView {
  element: HTMLElement;
  show(props: ScatterProps): void;
  /** Marks the dots of the picked heads in these colors. */
  mark(picked: readonly Head[], outlines: readonly string[]): void;
}

const CLASSES: Record<Mark["kind"], string> = {
  line: "xattn-grid-line",
  tick: "xattn-tick",
  dot: "xattn-dot-mark",
};

export function createScatter(events: ScatterEvents, signal: AbortSignal): ScatterView {
  const select = h("select");
  select.addEventListener("change", () => events.second(select.value), { signal });
  const field = h(
    "label",
    { class: "xattn-field" },
    h("span", { class: "xattn-label", text: "Vertical axis" }),
    select,
  );
  const plot = svg("svg", {
    class: "xattn-scatter-plot",
    viewBox: `0 0 ${SIZE.width} ${SIZE.height}`,
    role: "group",
    "aria-label": "Scatter of two scores, one dot per head; arrow keys go from dot to dot",
  });
  const readout = h("div", { class: "xattn-readout xattn-small" });
  const element = h("div", { class: "xattn-scatter" }, field, plot, readout);
  /** The text shown until there are dots. */
  let waiting = "";
  let dots: (DotMark & { element: SVGElement })[] = [];
  let listed: readonly ScoreInfo[] | null = null;

  const dotAt = (target: EventTarget | null) => dots.findIndex((dot) => dot.element === target);
  const hint = () => (dots.length > 0 ? "Click a dot to pick its head. Shift-click adds it." : waiting);
  const tell = (index: number) => setText(readout, dots[index]?.name ?? hint());

  plot.addEventListener("pointerover", (event) => tell(dotAt(event.target)), { signal });
  plot.addEventListener("focusin", (event) => tell(dotAt(event.target)), { signal });
  plot.addEventListener("pointerleave", () => tell(-1), { signal });
  const pick = (event: MouseEvent | KeyboardEvent) => {
    const dot = dots[dotAt(event.target)];
    if (dot) events.pick(dot.head, event.shiftKey || event.ctrlKey || event.metaKey);
  };
  plot.addEventListener("click", pick, { signal });
  plot.addEventListener(
    "keydown",
    (event) => {
      const index = dotAt(event.target);
      if (index < 0) return;
      if (event.key === "Enter" || event.key === " ") {
        claim(event);
        pick(event);
      } else if (event.key.startsWith("Arrow")) {
        claim(event);
        const places = dots.map(({ attrs }) => ({ x: Number(attrs.cx), y: Number(attrs.cy) }));
        const next = nextDot(places, index, event.key);
        if (next !== null) focus(next);
      }
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

  function list(scores: readonly ScoreInfo[]): void {
    if (listed === scores) return;
    listed = scores;
    select.replaceChildren(
      ...scores.map(({ name, description }) =>
        h("option", { text: name, title: description, attrs: { value: name } }),
      ),
    );
  }

  function draw({ axes, grids: { replies, failures } }: ScatterProps): void {
    const [x, y] = [replies.get(axes[0]), replies.get(axes[1])];
    if (!x || !y) {
      plot.replaceChildren();
      dots = [];
      const failed = axes.find((name) => failures.has(name));
      waiting = failed === undefined ? "computing the scores…" : `${failed} could not be computed`;
      return;
    }
    const { marks, dots: found } = scatterMarks(x, y, axes);
    dots = found.map((dot) => ({ ...dot, element: dotElement(dot) }));
    plot.replaceChildren(...marks.map(markElement), ...dots.map(({ element: dot }) => dot));
    tabStop(0);
  }

  return {
    element,
    show(props) {
      list(props.scores);
      select.value = props.axes[1];
      draw(props);
      tell(-1);
    },
    mark(picked, outlines) {
      for (const { element: dot, head } of dots) {
        const index = picked.findIndex((other) => sameHead(other, head));
        dot.setAttribute("aria-pressed", String(index >= 0));
        dot.style.fill = index >= 0 ? (outlines[index] ?? "") : "";
        // Picked dots lie above the others, where they overlap; one that has the focus would lose it.
        if (index >= 0 && dot !== focusedIn(dot)) plot.append(dot);
      }
    },
  };
}

function markElement({ kind, tag, attrs, text = "" }: Mark): SVGElement {
  const element = svg(tag, { ...attrs, class: CLASSES[kind], "aria-hidden": "true" });
  element.textContent = text;
  return element;
}

function dotElement({ attrs, head, name }: DotMark): SVGElement {
  return svg("circle", {
    ...attrs,
    class: CLASSES.dot,
    role: "button",
    tabindex: -1,
    "aria-label": name,
    "data-head": head.join(),
  });
}
