// Finds tokens by a piece of their text.
import type { Token } from "../core/inspect";
import type { Scene } from "../core/scene";

/** Lower case without accents, so that "e" finds "é" and "É". */
export function folded(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}

/** Source tokens first, then target tokens, each in order. */
export function findTokens(scene: Scene, query: string): Token[] {
  const wanted = folded(query.trim());
  if (wanted === "") return [];
  return (["source", "target"] as const).flatMap((side) =>
    scene[side].labels.flatMap((label, unit) => (folded(label).includes(wanted) ? [{ side, unit }] : [])),
  );
}
