// The rooms beside the main view: the score, the grid of heads, the means of layers and the ranking.

import type { Head } from "../core/contract";
import { formatScore, headName } from "../core/format";
import { firstPick, sameHead, secondPick, shapeOf } from "../core/picks";
import { layerMeans, rankHeads } from "../core/ranking";
import { scoreDomain } from "../core/scales";
import { type Context, outlinesOf } from "../core/view";
import { createHeads } from "./grid";
import { createLayers } from "./layers";
import { createRanking } from "./ranking";
import { createScore } from "./score";

export interface SideRooms {
  score: HTMLElement;
  heads: HTMLElement;
  layers: HTMLElement;
  ranking: HTMLElement;
  /** Draws them and says in one sentence how the head picked last scores. */
  draw(): string;
}

/** `mute` is told of clicks on heads, and whether a modifier or key asks to mute; true where that was done. */
export function createSideRooms(
  { store, loader, gestures, subject, theme, colors, signal }: Context,
  mute: (head: Head, wanted: boolean) => boolean,
): SideRooms {
  const score = createScore({ score: (score_name) => store.set({ score_name }) }, signal);
  const heads = createHeads({ pick: gestures.pick, pickLayer: gestures.pickLayer, mute }, signal);
  const layers = createLayers();
  const ranking = createRanking(gestures, signal);

  /** The ranking of these values: the same object for the same, by which views see that nothing has changed. */
  let held: { values: unknown; direction: string; ranked: ReturnType<typeof rankHeads> | null } | null = null;

  /** The heads that the grid outlines, each in its lines' color; in a comparison one color a side. */
  function outlined(): { picked: [number, number][]; outlines: string[] } {
    const first = firstPick(store).heads;
    const own = (list: readonly (readonly [number, number])[]) =>
      list.map(([layer, head]): [number, number] => [layer, head]);
    if (store.get("panel") !== "compare")
      return { picked: own(first), outlines: outlinesOf(first.length, colors()) };
    const second = secondPick(store).heads;
    const sides = subject.second ? [second, first] : [first, second];
    const paint = (side: readonly unknown[]) => colors()[side === second ? 1 : 0] ?? "";
    return {
      picked: sides.flatMap(own),
      outlines: sides.flatMap((side) => side.map(() => paint(side))),
    };
  }

  return {
    score: score.element,
    heads: heads.element,
    layers: layers.element,
    ranking: ranking.element,
    draw() {
      const pick = subject.pick();
      const shape = shapeOf(store.get("info"), pick.sentence);
      const scores = store.get("score_list");
      const name = store.get("score_name");
      const values = loader.scores?.values ?? null;
      const direction = scores.find((entry) => entry.name === name)?.direction ?? "higher";
      if (!held || held.values !== values || held.direction !== direction)
        held = { values, direction, ranked: values && rankHeads(values, direction) };
      const { ranked } = held;
      const domain = values && scoreDomain(values);
      const last = pick.heads[pick.heads.length - 1];
      const entry = last && ranked?.find((each) => sameHead(each.head, last));
      const said = entry
        ? `${name} ${formatScore(entry.value)}, rank ${entry.rank} of ${ranked?.length}`
        : "";
      score.show({
        scores,
        name,
        domain,
        ready: values !== null,
        failure: loader.failure,
        signature: loader.scores?.signature ?? "",
        undefinedHeads: ranked?.filter((each) => each.value === null).length ?? 0,
        picked: entry
          ? {
              head: `L${entry.head[0]} H${entry.head[1]}`,
              value: formatScore(entry.value),
              rank: entry.rank,
              of: ranked?.length ?? 0,
            }
          : null,
        theme: theme(),
      });
      const missing = store.get("info").sentences[pick.sentence]?.missing ?? [];
      heads.show({
        ...shape,
        ...outlined(),
        scoreName: name,
        ranked,
        domain,
        theme: theme(),
        missing,
        muted: store.get("muted"),
      });
      layers.show(values && layerMeans(values), shape.layers, domain);
      ranking.show(ranked, pick.heads);
      if (!entry) return "";
      const which = pick.heads.length > 1 ? ` Of the last, ${headName(...entry.head)}:` : "";
      return `${which} ${said}.`;
    },
  };
}
