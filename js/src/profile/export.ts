// The profile as files: the grid of heads as a drawing, and the table of all numbers.
import { csv } from "../core/csv";
import { formatScore } from "../core/format";
import { type Drawing, type Markup, type Style, tag, text } from "../core/markup";
import { type Domain, inkOn, parseColor, shade } from "../core/scales";
import { FORMATS } from "../frame/menu";
import type { ProfileInfo } from "./contract";
import { bestSetText, type Numbers, percent, roleCounts, roleFill, roleOf, tableRows } from "./numbers";

export const SAVED = FORMATS.filter(({ name }) => name !== "json" && name !== "pharaoh").map((format) => ({
  ...format,
  title:
    format.name === "png" || format.name === "svg" ? "The grid of heads" : "All numbers, one line per head",
}));

export function profileCsv(info: ProfileInfo, numbers: Numbers, spreadsheet: boolean): string {
  return csv(tableRows(info, numbers), spreadsheet);
}

const [CELL_WIDTH, CELL_HEIGHT, EDGE] = [40, 24, 28];
const LINE = 20;

/** The grid: in each cell the value, or the share of rows that follow the role's rule. */
export function drawGrid(
  info: ProfileInfo,
  numbers: Numbers,
  values: (number | null)[][] | null,
  domain: Domain | null,
  { theme }: Style,
): Drawing {
  const { layers, heads } = info;
  const parts: Markup[] = [];
  const best = new Set(info.head_set?.heads.map(({ layer, head }) => `${layer},${head}`));
  for (let head = 0; head < heads; head++)
    parts.push(write(EDGE + (head + 0.5) * CELL_WIDTH, 14, String(head), theme.muted, "middle"));
  for (let layer = 0; layer < layers; layer++) {
    parts.push(write(EDGE - 8, EDGE - 8 + layer * CELL_HEIGHT + 16, String(layer), theme.muted, "end"));
    for (let head = 0; head < heads; head++) {
      const [x, y] = [EDGE + head * CELL_WIDTH, EDGE - 8 + layer * CELL_HEIGHT];
      const role = roleOf(info, [layer, head]);
      const value = values ? (values[layer]?.[head] ?? null) : numbers.share(role, [layer, head]);
      const fill = values
        ? value !== null && domain
          ? theme.ramp.css(shade(value, domain))
          : ""
        : roleFill(info, role, theme.dark).color;
      const frame = { x, y, width: CELL_WIDTH - 2, height: CELL_HEIGHT - 2, rx: 2, stroke: theme.muted };
      parts.push(tag("rect", { ...frame, fill: fill || "none", "stroke-opacity": 0.4 }));
      const ink = fill ? inkOn(parseColor(fill) ?? [0, 0, 0]) : theme.muted;
      const words = value === null ? (values ? "–" : "") : values ? formatScore(value) : percent(value);
      parts.push(write(x + CELL_WIDTH / 2 - 1, y + 15, words, ink, "middle"));
      if (best.has(`${layer},${head}`))
        parts.push(
          tag("circle", { cx: x + 5, cy: y + 5, r: 2.5, fill: theme.foreground, stroke: theme.paper }),
        );
    }
  }
  let y = EDGE + layers * CELL_HEIGHT + 12;
  if (!values)
    for (const { role, count } of roleCounts(info)) {
      const fill = roleFill(info, role, theme.dark);
      const frame = {
        x: EDGE,
        y: y - 10,
        width: 12,
        height: 12,
        rx: 2,
        stroke: theme.muted,
        "stroke-opacity": 0.4,
      };
      parts.push(tag("rect", { ...frame, fill: fill.color || "none" }));
      parts.push(write(EDGE + 18, y, `${fill.name}: ${count}`, theme.foreground, "start"));
      y += LINE;
    }
  if (info.head_set) {
    parts.push(tag("circle", { cx: EDGE + 6, cy: y - 4, r: 2.5, fill: theme.foreground }));
    parts.push(write(EDGE + 18, y, `Best set: ${bestSetText(info.head_set)}`, theme.foreground, "start"));
    y += LINE;
  }
  return { width: Math.max(EDGE + heads * CELL_WIDTH, 420), height: y, body: parts.join("") };
}

function write(x: number, y: number, content: string, fill: string, anchor: string): Markup {
  return text("text", { x, y, fill, "text-anchor": anchor, "font-size": 11 }, content);
}
