// The distribution of a score as a strip: a line from the 5% to the 95% quantile, a box with the middle half, the median,
// and a dot at the mean.
import { svg } from "../core/dom";
import type { ProfileInfo } from "./contract";
import { type Numbers, type Spread, spreadText } from "./numbers";

const [WIDTH, HEIGHT] = [132, 16];

/** The range of a score over all heads, so that the strips of heads can be compared. */
export function rangeOf(
  { layers, heads }: ProfileInfo,
  numbers: Numbers,
  score: string,
): [number, number] | null {
  let range: [number, number] | null = null;
  for (let layer = 0; layer < layers; layer++)
    for (let head = 0; head < heads; head++) {
      const { mean, quantiles } = numbers.spread(score, [layer, head]);
      for (const value of [mean, ...quantiles])
        if (value !== null)
          range = range ? [Math.min(range[0], value), Math.max(range[1], value)] : [value, value];
    }
  return range;
}

export function stripOf(
  spread: Spread,
  levels: readonly number[],
  range: [number, number] | null,
): SVGElement {
  const words = spreadText(spread, levels);
  const element = svg("svg", {
    class: "xattn-strip-chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
    role: "img",
    "aria-label": words,
  });
  const title = svg("title");
  title.textContent = words;
  element.append(
    title,
    svg("line", { class: "xattn-strip-ground", x1: 1, x2: WIDTH - 1, y1: HEIGHT - 1.5, y2: HEIGHT - 1.5 }),
  );
  if (!range || spread.mean === null) return element;
  const [low, high] = range;
  const x = (value: number) => 4 + (high > low ? (value - low) / (high - low) : 0.5) * (WIDTH - 8);
  const quantile = (level: number) => spread.quantiles[levels.indexOf(level)] ?? null;
  const [outer, inner, median] = [
    [quantile(0.05), quantile(0.95)],
    [quantile(0.25), quantile(0.75)],
    quantile(0.5),
  ];
  const middle = (HEIGHT - 2) / 2;
  if (outer[0] != null && outer[1] != null)
    element.append(
      svg("line", { class: "xattn-strip-line", x1: x(outer[0]), x2: x(outer[1]), y1: middle, y2: middle }),
    );
  if (inner[0] != null && inner[1] != null) {
    const width = Math.max(2, x(inner[1]) - x(inner[0]));
    element.append(
      svg("rect", { class: "xattn-strip-box", x: x(inner[0]), y: middle - 4, width, height: 8, rx: 1 }),
    );
  }
  if (median !== null)
    element.append(
      svg("line", {
        class: "xattn-strip-median",
        x1: x(median),
        x2: x(median),
        y1: middle - 6,
        y2: middle + 6,
      }),
    );
  element.append(svg("circle", { class: "xattn-strip-mean", cx: x(spread.mean), cy: middle, r: 2.2 }));
  return element;
}
