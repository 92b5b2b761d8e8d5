// The contract with Python, written once: traits, the values of settings, requests and the fields of replies. Plain
// declarations only: a Python test reads this file and fails when the two sides differ.

export type Head = readonly [layer: number, head: number];
export type Side = "source" | "target";
export type Reading = "output" | "input";
/** What names the rows: the token written or read, or "own": the token written, with each head of a saved set under its own reading. */
export type RowNames = "output" | "input" | "own";
export type Aggregate = "mean" | "max";
export type Special = "show" | "fade" | "drop" | "drop_punctuation";
/** The values of the setting that remove positions. */
export type Dropping = "drop" | "drop_punctuation";
/** The values of the grid: the score of the shown sentence, or its mean or standard deviation over all sentences. */
export type Over = "sentence" | "mean" | "spread";
export type SentenceOrder = "highest" | "lowest" | "given";
/** What a score does with special tokens. */
export type Policy = "keep" | "drop" | "renormalize";
export type Layout = "columns" | "rows";
/**
 * Which lines are drawn: those above a weight, the strongest of each row, or those that carry a share of its mass.
 * "auto" is by weight in a short sentence, and the strongest one of each row in a long one.
 */
export type Keep = "auto" | "threshold" | "top" | "mass";
export type ThemeName = "auto" | "light" | "dark";
export type Rest = "generate" | "keep";
/** What the positions of an axis stand for. */
export type AxisKind = "text" | "audio" | "image";

/**
 * The weights that the view of sound shows: cropped to the sound and renormalized, as captured, standardized over the
 * rows, or also filtered by a median over time.
 */
export type SoundWeights = "cropped" | "raw" | "zscored" | "filtered";

/** Which heads time the words: one of the sets that are known, the picked ones, or the best that is known. */
export type WordTimesBy = "known" | "calibrated" | "model" | "picked";

/**
 * What is outlined in a picture: the fewest patches that hold half of the weight in it, the boxes around them, the
 * strongest patch, nothing.
 */
export type ImageOutline = "half" | "boxes" | "strongest" | "none";

/**
 * How many positions a side has, how many units when words are merged, and how many of either are special; also how many
 * positions are punctuation, and how many words are nothing else.
 */
export interface Length {
  positions: number;
  words: number;
  special: number;
  punctuation: number;
  punctuation_words: number;
}

/** One record of the list; records of several models differ in shape. */
export interface SentenceInfo {
  source: string;
  target: string;
  name: string;
  model: string;
  layers: number;
  heads: number;
  /** The same number for all records of one source. */
  group?: number;
  /** Log-probability of the whole target; null where it is unknown. */
  logprob?: number | null;
  /** Known before the record is loaded, so that the panel can keep its height. */
  lengths?: { source: Length; target: Length };
  /** Results of experiments replace one another at the same index; the version tells them apart. */
  version?: number;
  /** For each layer, the heads that a page of limited size does not contain, or whose weights the record lacks. */
  missing?: number[][];
  /** On a page: the readings under which it has the scores of the rows as shown, by what is dropped from them. */
  scored_readings?: Partial<Record<Dropping, Reading[]>>;
  /** The bytes of all its layers, as they are sent; a page without a kernel needs no number. */
  bytes?: number;
  /** The sound that the record was made from; left out for records without any. */
  sound?: SoundInfo;
  /** The picture that the record was made from; left out for records without any. */
  image?: ImageInfo;
  /** Whether its weights can be divided by the sinks; left out for records without places in a picture. */
  sinks?: SinkInfo;
}

/** What the weights of a record can be divided by, in words, or "", and why the switch is off, or "". */
export interface SinkInfo {
  note: string;
  why: string;
}

/** The sides of the original picture, in whose pixels places are. */
export interface ImageInfo {
  width: number;
  height: number;
}

/** What is known of a sound before it is requested. Times are in seconds. */
export interface SoundInfo {
  seconds: number;
  rate: number;
  /** Where the sound begins in the recording. */
  offset: number;
  /** Bytes in base64: the largest amplitude of each of so many equal shares, relative to the largest of all. */
  peaks: string;
  /** What the encoder reads, such as a log-mel spectrogram; null for models that read samples. */
  features: { bins: number; frames: number } | null;
  /** The heads that are known to time words: those of the model's configuration, and the calibrated set. */
  marked: { model: Head[]; calibrated: Head[] };
  /** Of a window of a long recording: the length of the recording, and whether all of its windows have been read. */
  recording?: { seconds: number; complete: boolean };
}

/** A set of heads that was saved with the model of the first sentence, and the reading under which it is shown. */
export interface HeadSetInfo {
  heads: [layer: number, head: number, reading: Reading][];
  reading: RowNames;
}

export interface Info {
  layers: number;
  heads: number;
  model: string;
  sentences: SentenceInfo[];
  /** Whether a kernel answers requests. */
  has_kernel: boolean;
  /** Whether windows of a long recording are being read. */
  reading?: boolean;
  /** What a page of limited size leaves out, in words. */
  notice?: string;
  /**
   * How well each head seems to align under each reading: [layers][heads] shares of words that are linked one to one,
   * over a number of words. Null while nobody knows.
   */
  alignment_guess?: { output: (number | null)[][]; input: (number | null)[][]; words: number } | null;
  /** Null where there is none. */
  head_set?: HeadSetInfo | null;
}

export interface ScoreInfo {
  name: string;
  direction: "higher" | "lower";
  description: string;
  signature: string;
  /** What it does with special tokens. */
  special?: Policy;
  /** Whether it treats punctuation, or what a function of the user names, like special tokens. */
  punctuation?: boolean;
  /** Whether it can leave out what the view drops. */
  follows_view?: boolean;
}

/** What the picked heads are compared with; a field that is left out has the same value as theirs. */
export interface Compare {
  sentence?: number;
  heads?: Head[];
}

/** The effect of muting heads on the log-probability of the same target, and what the model writes without them. */
export interface Effect {
  base: number;
  forced: number;
  written: number;
  before_logprob: number | null;
  forced_logprob: number | null;
  written_logprob: number | null;
  written_text: string;
  same: boolean;
}

/** The state of the experiments. */
export interface Experiments {
  /** Why experiments are unavailable; "" where they are available. */
  why: string;
  busy: string;
  error: string;
  effect: Effect | null;
}

/** A candidate for a target position. */
export interface TokenChoice {
  id: number;
  label: string;
  logprob: number;
}

export interface Traits {
  info: Info;
  score_list: ScoreInfo[];
  sentence: number;
  layer: number;
  head: number;
  heads: Head[];
  target_index: number | null;
  source_index: number | null;
  score_name: string;
  over: Over;
  aggregate: Aggregate;
  combined: boolean;
  keep: Keep;
  threshold: number;
  top_k: number;
  mass: number;
  words: boolean;
  special: Special;
  /** Whether scores are computed on the rows as shown, while special tokens or punctuation are dropped. */
  as_shown: boolean;
  divide_sinks: boolean;
  reading: RowNames;
  orientation: Layout;
  /** The name of the open view, one of those in views.ts. */
  panel: string;
  compare: Compare | null;
  second_score: string;
  zoom: boolean;
  table: boolean;
  sound_weights: SoundWeights;
  word_times_by: WordTimesBy;
  image_opacity: number;
  image_outline: ImageOutline;
  image_picture: boolean;
  image_grid: boolean;
  image_reference: boolean;
  sentence_order: SentenceOrder;
  theme: ThemeName;
  muted: Head[];
  live: Experiments;
}

export type TraitName = keyof Traits;

/** One side of a record: for each position a label, whether it is special, and the number of its word or -1. */
export interface Axis {
  labels: string[];
  special: boolean[];
  /** For each position whether it is punctuation and not special; left out where there is none. */
  punctuation?: boolean[];
  groups: number[];
  words: string[];
  /** One kind for all positions, or one for each position where kinds are mixed. */
  kind: AxisKind | AxisKind[];
  /**
   * For each position its place in the medium, null for a position without one: [start, end] in seconds, or
   * [left, top, right, bottom] in pixels. Null where no position has a place.
   */
  places: (number[] | null)[] | null;
  /** For each position the text that the vocabulary has no token for, null elsewhere; left out where there is none. */
  texts?: (string | null)[];
}

/** A reference alignment: links between words, or between token positions (targets by the token predicted). */
export interface Reference {
  links: [source: number, target: number, sure: boolean][];
  words: boolean;
}

/**
 * Where a part of the target truly is in the picture: its label, its rows [first, one after the last] by the token
 * written, null where the target lacks it, and its boxes in pixels of the original.
 */
export interface ReferenceBoxes {
  text: string;
  rows: [first: number, stop: number] | null;
  boxes: [left: number, top: number, right: number, bottom: number][];
}

export interface SentenceReply {
  source: Axis;
  target: { output: Axis; input: Axis };
  logprobs: (number | null)[] | null;
  generated: boolean;
  reference: Reference | null;
  reference_boxes: ReferenceBoxes[] | null;
  notes: string[];
}

export interface ScoresReply {
  values: (number | null)[][];
  signature: string;
}

/** How well the picked heads agree with the reference. */
export interface AlignmentReply {
  aer: number | null;
  precision: number | null;
  recall: number | null;
  links: number;
  method: string;
}

/** All heads of one layer. The buffer holds [heads, target, source] bytes, row-major, on a square-root scale. */
export interface LayerReply {
  shape: readonly [heads: number, target: number, source: number];
  /** Heads whose bytes are unknown: a page of limited size was saved without them, or the record lacks them. */
  missing?: number[];
  /** [heads][target] share of each row outside the sound, as captured; left out for other sources. */
  outside?: number[][];
}

/**
 * A sentence with what was ready or quick to compute of its scores, by name, and all its layers if they were requested,
 * one buffer each; all are of one shape.
 */
export interface WholeReply {
  sentence: SentenceReply;
  scores: Record<string, ScoresReply>;
  shape: readonly [heads: number, target: number, source: number];
  /** [layers][heads][target] share of each row outside the sound; left out for other sources. */
  outside?: number[][][];
}

/** A file in the buffer of a reply: the sound, the picture of a record, or a gray picture of the features, the first bin at the bottom. */
export interface FileReply {
  mime: string;
}

/** A word of the target with its time in seconds, and its rows [first, one after the last] by the token written. */
export interface TimedWord {
  text: string;
  start: number;
  end: number;
  confidence: number | null;
  rows: [first: number, stop: number];
}

/** A word of a reference of word times, and the index of the word that it belongs to. */
export interface GoldWord {
  text: string;
  start: number;
  end: number;
  word: number | null;
}

export interface WordTimesReply {
  words: TimedWord[];
  /** The path that the times come from: for each row on it, from where to where it goes, in seconds. */
  path: [row: number, start: number, end: number][];
  heads: Head[];
  /** What was subtracted from the path, in seconds. */
  lag: number;
  /** What chose the heads. */
  chosen: "calibrated" | "model" | "guessed" | "picked";
  gold: GoldWord[] | null;
}

/** The text of a target, to edit it. */
export interface TextReply {
  text: string;
}

/** The likeliest tokens for a target position. */
export interface ChoicesReply {
  choices: TokenChoice[];
}

/** Requests for numbers. "as_shown" asks for the score of the rows shown under a reading without what "special" drops. "head", "row" and "column" are answered by a buffer of float32 alone. "divided" asks for weights divided by the sinks. Word times by an empty list of heads are those by the heads known to be the best. */
export type DataRequest =
  | { kind: "sentence"; sentence: number }
  | { kind: "layer"; sentence: number; layer: number; divided?: boolean }
  | { kind: "whole"; sentence: number; layers: "all" | "none" }
  | { kind: "scores"; sentence: number; name: string; as_shown?: Reading; special?: Dropping }
  | { kind: "head"; sentence: number; layer: number; head: number; divided?: boolean }
  | { kind: "alignment"; sentence: number; heads: Head[]; aggregate: Aggregate; reading: RowNames }
  | { kind: "row"; sentence: number; heads: Head[]; target: number; divided?: boolean }
  | { kind: "column"; sentence: number; heads: Head[]; source: number; divided?: boolean }
  | { kind: "image"; sentence: number }
  | { kind: "sound"; sentence: number }
  | { kind: "features"; sentence: number }
  | { kind: "word_times"; sentence: number; heads: Head[] };

/** Requests for experiments with the model. */
export type ExperimentRequest =
  | { action: "text"; sentence: number }
  | { action: "target"; text: string }
  | { action: "choices"; sentence: number; position: number }
  | { action: "token"; position: number; token: number; rest: Rest }
  | { action: "mute"; heads: readonly Head[] }
  | { action: "read"; sentence: number; until: number }
  | { action: "stop" };

export type Request = ({ kind: "live" } & ExperimentRequest) | (DataRequest & { version?: number });
