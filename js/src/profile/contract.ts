// The contract with Python's view of a profile: traits, requests and the fields of replies. Plain declarations only: a
// Python test reads this file and fails when the two sides differ.
import type { Head, Reading, ThemeName } from "../core/contract";
import type { OpenRow, Value } from "../corpus/contract";

export interface ProfileScore {
  name: string;
  /** Which values are best. */
  direction: "higher" | "lower";
  signature: string;
  description: string;
  /** The role whose rule it counts; "" for any other score. */
  role: string;
}

export interface RoleRule {
  /** The role. */
  name: string;
  /** The score with the share of rows that follow its rule. */
  score: string;
  /** The least share of a head with this role. */
  least: number;
  description: string;
}

export interface ReadHead {
  layer: number;
  head: number;
  reading: Reading;
}

export interface BestSet {
  heads: ReadHead[];
  value: number;
  /** What the value is: the alignment error rate with gold, or the predictor of it without. */
  measure: "aer" | "one_to_one";
}

export interface ProfileInfo {
  layers: number;
  heads: number;
  sentences: number;
  /** How many sentences could not be scored. */
  failed: number;
  quantile_sentences: number;
  /** From how many sentences agreement and the best set come. */
  drawn: number;
  /** What a row of the corpus is. */
  what: "sentence" | "recording" | "window" | "picture";
  levels: number[];
  scores: ProfileScore[];
  roles: RoleRule[];
  /** [layers][heads] places in `roles`; its length for heads without a role. */
  assigned: number[][];
  head_set: BestSet | null;
  /** Whether the profile has agreement. */
  agreement: boolean;
  /** Whether a sentence opens in a panel. */
  can_open: boolean;
  /** What a reader must know about the profile and the model, in words. */
  notice: string;
}

/** What of a score the grid shows: a number is the level of a quantile. */
export type Statistic = "mean" | "std" | number;

export interface ProfileTraits {
  info: ProfileInfo;
  /** "" for the roles. */
  score_name: string;
  statistic: Statistic;
  head: Head | null;
  row: number | null;
  theme: ThemeName;
  _open: OpenRow;
}

/**
 * The numbers come in three buffers of float32, NaN where undefined: [scores, 2 + levels, layers, heads] with mean,
 * standard deviation and quantiles; [roles, layers, heads] shares of rows; and [layers * heads, layers * heads] agreement,
 * empty where there is none.
 */
export type ProfileRequest = { kind: "numbers" } | { kind: "strongest"; name: string; head: Head };

export interface StrongestRow {
  /** Its number in the scored table. */
  row: number;
  value: Value;
  /** Its id in the table, "" where there is none. */
  name: string;
  source: string;
  target: string;
}

export interface StrongestReply {
  rows: StrongestRow[];
}
