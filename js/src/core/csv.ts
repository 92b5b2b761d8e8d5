// CSV (RFC 4180), plain or for spreadsheets. (d3-dsv quotes only where CSV requires it, which is not enough for
// spreadsheets.)
import { wellFormed } from "./format";

/** A row; null is an empty cell. */
export type Cells = readonly (string | number | null)[];

/** What a spreadsheet treats as a formula, including the full-width characters of some keyboards. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

export function csv(rows: Iterable<Cells>, spreadsheet: boolean): string {
  return Array.from(rows, (row) => `${row.map((value) => cell(value, spreadsheet)).join(",")}\n`).join("");
}

/**
 * For a spreadsheet every text is quoted, since some split cells at semicolons too, and a text that would be taken for a
 * formula gets an apostrophe in front; numbers stay numbers.
 */
function cell(value: string | number | null, spreadsheet: boolean): string {
  if (value === null) return "";
  if (typeof value === "number") return digits(value);
  const text = wellFormed(value);
  if (spreadsheet) return quoted(FORMULA.test(text) ? `'${text}` : text);
  return /[",\n\r]/.test(text) ? quoted(text) : text;
}

function quoted(text: string): string {
  return `"${text.replace(/"/g, '""')}"`;
}

/** As many digits as float32 has. */
export function digits(value: number): string {
  return String(Number(value.toPrecision(7)));
}
