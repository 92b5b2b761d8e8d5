// The contract with Python's view of a corpus: traits, requests and the fields of replies. Plain declarations only: a
// Python test reads this file and fails when the two sides differ.
import type { Head, ThemeName } from "../core/contract";

/** A score of the table, a statistic of the output, or another column of numbers. */
export interface Quantity {
  name: string;
  /** Whether it has a value for each head. */
  per_head: boolean;
  /** Which values are best; "" where nothing says so. */
  direction: "higher" | "lower" | "";
  /** Whether the list begins with the lowest values, so that the worst come first. */
  lowest_first: boolean;
  signature: string;
  description: string;
  /** Why the score cannot be computed for other targets; "" if it can. */
  why: string;
}

export interface CorpusInfo {
  model: string;
  /** What a row is: "window" if recordings have several. */
  what: "sentence" | "recording" | "window" | "picture";
  /** How many rows the table has. */
  rows: number;
  layers: number;
  heads: number;
  /** How many rows a page of the list has. */
  page: number;
  /** The column of log-probabilities in the list. */
  logprob: string | null;
  /** What a reader must know about the table and the model, in words. */
  notice: string;
  /** How many rows could not be scored and why, in words. */
  errors: string[];
  quantities: Quantity[];
}

/** What the list is ranked by: null for the mean of all heads, a layer for its mean, or one head. */
export type RankedHead = number | Head | null;

/** The row below the list: the id of its panel's model, or why there is none. */
export interface OpenRow {
  row?: number | null;
  panel?: string;
  error?: string;
}

export interface CorpusTraits {
  info: CorpusInfo;
  score_name: string;
  head: RankedHead;
  lowest_first: boolean;
  search: string;
  row: number | null;
  theme: ThemeName;
  _open: OpenRow;
}

/** Which rows are listed, and in which order. */
export interface Query {
  score_name: string;
  head: RankedHead;
  lowest_first: boolean;
  search: string;
}

export type CorpusRequest =
  | { kind: "distribution"; name: string }
  | { kind: "rows"; query: Query; start: number; row: number | null }
  | { kind: "values"; name: string; row: number };

/** A number; text for an infinite one, null for a missing one. */
export type Value = number | string | null;

export interface ListedRow {
  /** Its number in the table. */
  row: number;
  /** Its place by the quantity, from 1. */
  rank: number;
  value: Value;
  logprob: Value;
  source: string;
  target: string;
  /** Its id in the table, "" where there is none. */
  name: string;
}

export interface RowsReply {
  /** The place of the first row. */
  start: number;
  /** How many rows contain the text. */
  found: number;
  /** How many rows have a value. */
  ranked: number;
  /** How many rows have none. */
  missing: number;
  rows: ListedRow[];
}

/**
 * How a quantity is spread; one layer of one head for a quantity without heads. The buffer holds [layers, heads, bins]
 * numbers of rows, as uint32; the bins divide the range from low to high.
 */
export interface DistributionReply {
  low: number | null;
  high: number | null;
  shape: readonly [layers: number, heads: number, bins: number];
  /** Lowest value, quartiles and highest value of each head; nulls where a head has no value. */
  quartiles: (number | null)[][][];
  /** How many rows have a value, of each head. */
  rows: number[][];
}

export interface ValuesReply {
  values: (number | null)[][];
}
