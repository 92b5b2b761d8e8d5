// Puts together what is drawn, on the screen and into files.
import type { SoundContent } from "./paint";
import { type SoundSource, secondsOf, type Weights } from "./source";
import type { Span } from "./timeline";

export function contentOf(
  source: SoundSource,
  weights: Weights,
  span: Span,
  fade: boolean,
  theme: SoundContent["theme"],
): SoundContent {
  const info = source.info.value;
  return {
    span,
    seconds: secondsOf(weights.scene, info),
    offset: info?.offset ?? 0,
    amplitudes: source.amplitudes.value,
    gray: source.gray.value,
    units: weights.scene.target,
    heard: weights.heard,
    places: weights.places,
    linear: weights.kind === "zscored" || weights.kind === "filtered",
    timing: source.timing.value,
    fade,
    theme,
  };
}
