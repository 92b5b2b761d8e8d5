// The contract with Python: traits, requests, replies, and the model that carries them.

export type Head = readonly [layer: number, head: number];
export type Side = "source" | "target";
export type Reading = "output" | "input";
export type Aggregate = "mean" | "max";
export type Special = "show" | "fade" | "drop";
export type Layout = "columns" | "rows";
export type PanelName = "lines" | "matrix" | "compare" | "scores" | "all";
/** Which lines are drawn: by weight, the strongest of each row, or as many as carry a share of the row's mass. */
export type Keep = "threshold" | "top" | "mass";
export type ThemeName = "auto" | "light" | "dark";

/** One record of the list; records of several models differ in shape. */
export interface SentenceInfo {
  source: string;
  target: string;
  name: string;
  model: string;
  layers: number;
  heads: number;
  /** Records of one source have the same. */
  group?: number;
  /** Of the whole target, where it is known. */
  logprob?: number | null;
  /** Sentences that come of experiments take each other's place: which one this is. */
  version?: number;
  /** For each layer the heads that a page of limited size does not hold. */
  missing?: number[][];
}

export interface Info {
  layers: number;
  heads: number;
  model: string;
  sentences: SentenceInfo[];
  live: boolean;
  /** What a page of limited size does not hold, in words. */
  notice?: string;
}

export interface ScoreInfo {
  name: string;
  direction: "higher" | "lower";
  description: string;
  signature: string;
}

/** What is set beside the picked heads; what is left out is the same as theirs. */
export interface Compare {
  sentence?: number;
  heads?: Head[];
}

/** What muting heads has done: the same target read without them, and what the model writes without them. */
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

/** What Python tells of experiments. */
export interface Live {
  /** Why nothing can be tried; "" where it can. */
  why: string;
  busy: string;
  error: string;
  effect: Effect | null;
}

/** A token that could come next. */
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
  aggregate: Aggregate;
  keep: Keep;
  threshold: number;
  top_k: number;
  mass: number;
  words: boolean;
  special: Special;
  reading: Reading;
  orientation: Layout;
  panel: PanelName;
  compare: Compare | null;
  second_score: string;
  zoom: boolean;
  table: boolean;
  theme: ThemeName;
  muted: Head[];
  live: Live;
}

export type TraitName = keyof Traits;

/** One side of a record: a label, a special flag and a word (or -1) for each position. */
export interface Axis {
  labels: string[];
  special: boolean[];
  groups: number[];
  words: string[];
}

/** A reference alignment: links of words, or of token positions (targets as they are predicted). */
export interface Reference {
  links: [source: number, target: number, sure: boolean][];
  words: boolean;
}

export interface SentenceReply {
  source: Axis;
  target: { output: Axis; input: Axis };
  logprobs: (number | null)[] | null;
  generated: boolean;
  reference: Reference | null;
  notes: string[];
}

export interface ScoresReply {
  values: (number | null)[][];
  signature: string;
}

/** How well the picked heads align, by the reference. */
export interface AlignmentReply {
  aer: number | null;
  precision: number | null;
  recall: number | null;
  links: number;
  method: string;
}

/** All heads of one layer, square-root quantized: `bytes` is [heads, target, source] row-major. */
export interface LayerReply {
  shape: readonly [heads: number, target: number, source: number];
  bytes: Uint8Array;
  /** Heads whose bytes are not known: a page of limited size was saved without them. */
  missing?: number[];
}

/** What the panel asks to be tried. */
export type LiveRequest =
  | { action: "text"; sentence: number }
  | { action: "target"; text: string }
  | { action: "choices"; sentence: number; position: number }
  | { action: "token"; position: number; token: number; rest: "generate" | "keep" }
  | { action: "mute"; heads: readonly Head[] }
  | { action: "stop" };

/** The kernel checks each request by the same list, in xattn_widget/protocol.py. */
export type Request = ({ kind: "live" } & LiveRequest) | (DataRequest & { version?: number });

export type DataRequest =
  | { kind: "sentence"; sentence: number }
  | { kind: "layer"; sentence: number; layer: number }
  | { kind: "scores"; sentence: number; name: string }
  | { kind: "head"; sentence: number; layer: number; head: number }
  | { kind: "alignment"; sentence: number; heads: Head[]; aggregate: Aggregate; reading: Reading }
  | { kind: "row"; sentence: number; heads: Head[]; target: number }
  | { kind: "column"; sentence: number; heads: Head[]; source: number };

// biome-ignore lint/suspicious/noExplicitAny: the signature is the host's, and differs between events.
export type ModelCallback = (...args: any[]) => void;

/** The part of anywidget's model that the panel uses; the offline page brings its own. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: ModelCallback): void;
  off(event?: string | null, callback?: ModelCallback | null): void;
  send(content: unknown): void;
}
