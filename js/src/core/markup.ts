// SVG as text: the only writer of markup. Strings are escaped; only what was written here is inserted unchanged.
import { tokenText, visibleText } from "./format";
import type { Theme } from "./theme";

/** Markup that this module has written. Any other string is text, and is not accepted as markup. */
export type Markup = string & { readonly markup: unique symbol };
export type Attributes = Record<string, string | number>;

export interface Drawing {
  width: number;
  height: number;
  /** Elements of SVG, as `tag`, `text` and `label` write them. */
  body: string;
}

/** Size of a drawing's text, in pixels. */
export const FONT_SIZE = 12;

export interface Style {
  theme: Theme;
  /** Font family of the panel. */
  family: string;
  /** Width of a text of FONT_SIZE, in pixels. */
  measure(text: string, bold?: boolean): number;
}

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for an element or an attribute's value; characters that XML does not allow are written as code points. */
export function escaped(text: string): string {
  return visibleText(text).replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char);
}

/** An element with elements inside. */
export function tag(name: string, attrs: Attributes, ...inside: Markup[]): Markup {
  const written = Object.entries(attrs).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
    return ` ${key}="${escaped(text)}"`;
  });
  const opened = `<${name}${written.join("")}`;
  return (inside.length === 0 ? `${opened}/>` : `${opened}>${inside.join("")}</${name}>`) as Markup;
}

/** An element with text inside. */
export function text(name: string, attrs: Attributes, content: string): Markup {
  return tag(name, attrs, escaped(content) as Markup);
}

/** The label of a token. */
export function label(token: string, attrs: Attributes): Markup {
  return text("text", attrs, tokenText(token) || " ");
}

function bodyOf(drawing: Drawing): Markup {
  return drawing.body as Markup;
}

/** A drawing as a file, on the panel's background and under a title. */
export function page(drawing: Drawing, title: string, { theme, family, measure }: Style): string {
  const [edge, head] = [16, 28];
  const width = Math.ceil(Math.max(drawing.width, measure(title, true)) + 2 * edge);
  const height = Math.ceil(drawing.height + 2 * edge + head);
  return tag(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "font-family": family,
      "font-size": FONT_SIZE,
      fill: theme.foreground,
    },
    text("title", {}, title),
    tag("rect", { width, height, fill: theme.paper }),
    label(title, { x: edge, y: edge + 10, "font-weight": 600 }),
    tag("g", { transform: `translate(${edge} ${edge + head})` }, bodyOf(drawing)),
  );
}

/** Drawings next to one another, each under its own heading. */
export function beside(parts: readonly { drawing: Drawing; heading: string }[], theme: Theme): Drawing {
  let x = 0;
  let body = "";
  for (const { drawing, heading } of parts) {
    body += label(heading, { x, y: 10, fill: theme.muted });
    body += tag("g", { transform: `translate(${x} 22)` }, bodyOf(drawing));
    x += Math.max(drawing.width, 120) + 32;
  }
  return {
    width: Math.max(0, x - 32),
    height: 22 + parts.reduce((most, { drawing }) => Math.max(most, drawing.height), 0),
    body,
  };
}
