// What is drawn, on the screen and into files.
import type { Head } from "../core/contract";
import type { Theme } from "../core/theme";
import type { Units } from "../core/units";
import type { Amplitudes, Gray } from "./pictures";
import type { Timing } from "./rows";
import { type SoundSource, secondsOf, type Weights } from "./source";
import type { Span } from "./timeline";
import type { HeadStrips, Heard } from "./weights";

export interface SoundContent {
  /** The shown part of the axis. */
  span: Span;
  /** Where the sound ends. */
  seconds: number;
  /** What is added to the times on the ruler. */
  offset: number;
  amplitudes: Amplitudes | null;
  gray: Gray | null;
  units: Units;
  heard: Heard;
  /** The time of each shown position. */
  places: readonly Span[];
  /** Whether colors are linear in the weights, as for standardized ones. */
  linear: boolean;
  timing: Timing;
  /** A strip for each head; null where they are drawn as one. */
  strips: StripsContent | null;
  fade: boolean;
  theme: Theme;
}

/** Names and colors of heads at once, their weights as soon as they are loaded. */
export interface StripsContent {
  heads: readonly Head[];
  /** Empty where there are more heads than colors. */
  colors: readonly string[];
  loaded: HeadStrips | null;
}

/** How it is drawn, apart from what the source has. */
export interface Look {
  span: Span;
  fade: boolean;
  theme: Theme;
  /** The heads with a strip, and their colors; null where they are drawn as one. */
  strips: Omit<StripsContent, "loaded"> | null;
}

export function contentOf(source: SoundSource, weights: Weights, look: Look): SoundContent {
  const info = source.info.value;
  const { span, fade, theme, strips } = look;
  return {
    span,
    seconds: secondsOf(weights.scene, info),
    offset: info?.offset ?? 0,
    amplitudes: source.amplitudes.value,
    gray: source.gray.value,
    units: weights.scene.target,
    heard: weights.heard,
    places: weights.places,
    linear: isLinear(weights),
    timing: source.timing.value,
    strips: strips && { ...strips, loaded: source.strips.value },
    fade,
    theme,
  };
}

/** Whether colors are linear in the weights: standardized ones have no natural zero. */
export function isLinear({ kind }: Weights): boolean {
  return kind === "zscored" || kind === "filtered";
}
