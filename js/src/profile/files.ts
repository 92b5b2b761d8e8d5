// A profile as files: the grid as a drawing with its legend, and the table of all heads as numbers.
import { csv } from "../core/csv";
import { formatScore, visibleText } from "../core/format";
import { type Drawing, type Markup, type Style, tag, text } from "../core/markup";
import { type Domain, scoreDomain, shade } from "../core/scales";
import type { ProfileInfo, Statistic } from "./contract";
import { bestSetText, type Numbers, roleCounts, roleFill, roleOf, statisticName, tableRows } from "./numbers";

/** What of the grid is shown. */
export interface Shown {
  name: string;
  statistic: Statistic;
}

const [CELL, LEFT, TOP, LINE] = [24, 22, 18, 18];

/** The heading of the drawing, in parts. */
export function titleOf({ name, statistic }: Shown): string[] {
  return name === "" ? ["Roles of heads"] : [`${visibleText(name)}, ${statisticName(statistic)}`];
}

export function drawGrid(info: ProfileInfo, numbers: Numbers, shown: Shown, style: Style): Drawing {
  const { layers, heads, head_set: best } = info;
  const values = shown.name === "" ? null : numbers.grid(shown.name, shown.statistic);
  const domain = values && scoreDomain(values);
  const body: Markup[] = [];
  const label = (x: number, y: number, content: string, anchor = "middle") =>
    text("text", { x, y, "text-anchor": anchor, "font-size": 10, fill: style.theme.muted }, content);
  for (let head = 0; head < heads; head++)
    body.push(label(LEFT + (head + 0.5) * CELL, TOP - 5, String(head)));
  for (let layer = 0; layer < layers; layer++) {
    body.push(label(LEFT - 6, TOP + (layer + 0.5) * CELL + 4, String(layer), "end"));
    for (let head = 0; head < heads; head++) {
      const [x, y] = [LEFT + head * CELL, TOP + layer * CELL];
      const fill = values ? null : roleFill(info, roleOf(info, [layer, head]), style.theme.dark);
      const value = values?.[layer]?.[head] ?? null;
      const color =
        fill?.color || (value !== null && domain ? style.theme.ramp.css(shade(value, domain)) : "");
      const box = { x: x + 1, y: y + 1, width: CELL - 2, height: CELL - 2, rx: 2 };
      body.push(
        tag("rect", { ...box, fill: color || "none", stroke: style.theme.muted, "stroke-opacity": 0.3 }),
      );
      if (fill?.letter)
        body.push(
          text(
            "text",
            {
              x: x + CELL / 2,
              y: y + CELL / 2 + 4,
              "text-anchor": "middle",
              "font-size": 11,
              fill: fill.ink,
            },
            fill.letter,
          ),
        );
      if (best?.heads.some((entry) => entry.layer === layer && entry.head === head))
        body.push(diamond(x + 6, y + CELL - 6, style));
    }
  }
  const legend = legendOf(info, values ? domain : undefined, style);
  const below = TOP + layers * CELL + 12;
  legend.forEach((line, index) => {
    body.push(tag("g", { transform: `translate(0 ${below + index * LINE})` }, line.markup));
  });
  const widest = Math.max(0, ...legend.map(({ width }) => width));
  return {
    width: Math.max(LEFT + heads * CELL, widest),
    height: below + legend.length * LINE,
    body: body.join(""),
  };
}

function diamond(x: number, y: number, { theme }: Style): Markup {
  const look = { fill: theme.foreground, stroke: theme.paper };
  return tag("rect", { x: x - 3, y: y - 3, width: 6, height: 6, transform: `rotate(45 ${x} ${y})`, ...look });
}

/** The lines of the legend; `domain` is undefined for the roles, and null where no head has a value. */
function legendOf(
  info: ProfileInfo,
  domain: Domain | null | undefined,
  style: Style,
): { markup: Markup; width: number }[] {
  const line = (mark: Markup, content: string) => ({
    markup: tag("g", {}, mark, text("text", { x: 22, y: 11 }, content)),
    width: 22 + style.measure(content),
  });
  const lines =
    domain === undefined
      ? roleCounts(info).map(({ role, count }) => {
          const { color, ink, letter, name } = roleFill(info, role, style.theme.dark);
          const box = { x: 1, y: 1, width: 14, height: 14, rx: 2 };
          const swatch = tag("rect", { ...box, fill: color || "none", stroke: style.theme.muted });
          const inside = text(
            "text",
            { x: 8, y: 12, "text-anchor": "middle", "font-size": 10, fill: ink || style.theme.foreground },
            letter,
          );
          return line(tag("g", {}, swatch, inside), `${name} (${count})`);
        })
      : [rampLine(domain, style)];
  if (info.head_set)
    lines.push(line(diamond(8, 8, style), `Best set for alignment: ${bestSetText(info.head_set)}`));
  return lines;
}

function rampLine(domain: Domain | null, style: Style): { markup: Markup; width: number } {
  if (!domain) return { markup: text("text", { y: 11 }, "no head has a value"), width: 120 };
  const [low, high] = [formatScore(domain.low), formatScore(domain.high)];
  const left = style.measure(low) + 8;
  const steps = Array.from({ length: 40 }, (_, step) =>
    tag("rect", { x: left + step * 3, y: 3, width: 3.2, height: 10, fill: style.theme.ramp.css(step / 39) }),
  );
  const markup = tag(
    "g",
    {},
    text("text", { y: 11 }, low),
    ...steps,
    text("text", { x: left + 128, y: 11 }, high),
  );
  return { markup, width: left + 128 + style.measure(high) };
}

export function profileCsv(info: ProfileInfo, numbers: Numbers, spreadsheet: boolean): string {
  return csv(tableRows(info, numbers), spreadsheet);
}

/** One object per head, under the names of the table's columns, and what the numbers come from. */
export function profileJson(info: ProfileInfo, numbers: Numbers): string {
  const [names = [], ...rows] = tableRows(info, numbers);
  const heads = rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index]])));
  const signatures = Object.fromEntries(info.scores.map(({ name, signature }) => [name, signature]));
  const { sentences, head_set } = info;
  return `${JSON.stringify({ sentences, signatures, head_set, heads }, null, 1)}\n`;
}
