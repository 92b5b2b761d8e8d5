// A page of several sentences whose heads have given scores.
import type { SentenceInfo, Traits } from "../src/core/contract";
import type { StaticState } from "../src/page/model";
import { sentenceInfo, state, traits } from "./helpers";

/** The score of head (0, 0) in a sentence; null for an undefined one, a text for an error. The other heads have 0. */
export type Value = number | null | string;

/** One sentence for each value; `infos` has what differs from "a b" → "x y". */
export function manySentences(
  values: readonly Value[],
  patch: Partial<Traits> = {},
  infos: readonly Partial<SentenceInfo>[] = [],
): StaticState {
  const sentences = values.map((value) => {
    const [sentence] = state().sentences;
    if (!sentence) throw new Error("a state has a sentence");
    const grid = [
      [typeof value === "string" ? null : value, 0],
      [0, 0],
    ];
    const entropy = typeof value === "string" ? { error: value } : { values: grid, signature: "entropy|v:1" };
    return { ...sentence, scores: { entropy } };
  });
  const listed = values.map((_, i) => sentenceInfo({ source: `source ${i}`, group: i, ...infos[i] }));
  const info = { ...traits().info, has_kernel: false, sentences: listed };
  return { traits: traits({ info, ...patch }), sentences };
}
