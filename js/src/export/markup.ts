// SVG as text: elements, escaped labels, and the page around a drawing.
import { tokenText } from "../format";
import type { Theme } from "../theme";

export interface Drawing {
  width: number;
  height: number;
  /** Elements of SVG. */
  body: string;
}

export interface Style {
  theme: Theme;
  /** Font family of the panel. */
  family: string;
  /** Width of a text at 12 px, in pixels. */
  measure(text: string): number;
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
/** What XML does not allow, and controls that it does: tokenText has made those of labels visible. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\ufffe\uffff]/gu;

export function escaped(text: string): string {
  return text.replace(FORBIDDEN, "\ufffd").replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char);
}

export function tag(name: string, attrs: Record<string, string | number>, content = ""): string {
  const written = Object.entries(attrs).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
    return ` ${key}="${escaped(text)}"`;
  });
  return content === ""
    ? `<${name}${written.join("")}/>`
    : `<${name}${written.join("")}>${content}</${name}>`;
}

export function label(text: string, attrs: Record<string, string | number>): string {
  return tag("text", attrs, escaped(tokenText(text)) || " ");
}

/** A drawing as a file, on the panel's background and under a title. */
export function page(drawing: Drawing, title: string, { theme, family, measure }: Style): string {
  const [edge, head] = [16, 28];
  const width = Math.ceil(Math.max(drawing.width, measure(title)) + 2 * edge);
  const height = Math.ceil(drawing.height + 2 * edge + head);
  return tag(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "font-family": family,
      "font-size": 12,
      fill: theme.foreground,
    },
    tag("title", {}, escaped(title)) +
      tag("rect", { width, height, fill: theme.paper }) +
      label(title, { x: edge, y: edge + 10, "font-weight": 600 }) +
      tag("g", { transform: `translate(${edge} ${edge + head})` }, drawing.body),
  );
}

/** Drawings next to one another, each under its own heading. */
export function beside(parts: readonly { drawing: Drawing; heading: string }[], theme: Theme): Drawing {
  let x = 0;
  let body = "";
  for (const { drawing, heading } of parts) {
    body += label(heading, { x, y: 10, fill: theme.muted });
    body += tag("g", { transform: `translate(${x} 22)` }, drawing.body);
    x += Math.max(drawing.width, 120) + 32;
  }
  return {
    width: Math.max(0, x - 32),
    height: 22 + parts.reduce((most, { drawing }) => Math.max(most, drawing.height), 0),
    body,
  };
}
