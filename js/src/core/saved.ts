// What the files of several views have in common: the shown scene, its exact weights and the names of its heads.
import type { Context } from "./context";
import { headName, headsName, rowName, setName } from "./format";
import { isSet, rowNamesOf, setOf } from "./own_rows";
import { shapeOf } from "./picks";
import { buildScene, isMoved, type Scene, type SceneSpec } from "./scene";
import type { Store } from "./store";

/**
 * The scene of the picked heads, which a preview does not change.
 *
 * @throws Error if it is not loaded yet.
 */
export function shownScene({ loader }: Context): Scene {
  if (!loader.picked.value) throw new Error("the weights are not loaded yet");
  return loader.picked.value;
}

/** The scene again, optionally with other settings, and with exact weights where there is a kernel. */
export async function exactScene(
  { data, hasKernel, signal }: Context,
  scene: Scene,
  change: Partial<SceneSpec> = {},
): Promise<Scene> {
  const build = (exact: boolean) => buildScene(data, { ...scene.spec, ...change }, signal, () => {}, exact);
  const exact = hasKernel.peek();
  try {
    return await build(exact);
  } catch (error) {
    // The request may be the first to find that the kernel is gone.
    if (!exact || hasKernel.peek()) throw error;
    return build(false);
  }
}

/** A description of each set of a scene's lines. */
export function sceneNames({ store }: Context, { spec, aggregated }: Scene): string[] {
  return aggregated ? [jointName(store, spec)] : spec.heads.map((head) => headName(...head));
}

/** The heads of a scene in a few words, as one. */
export function jointName(store: Store, spec: SceneSpec): string {
  const { heads, aggregate, sentence } = spec;
  const info = store.get("info");
  if (isSet(setOf(info, sentence), heads, rowNamesOf(spec))) return setName(heads.length, aggregate);
  return headsName(heads, aggregate, shapeOf(info, sentence).heads);
}

/** That the rows of some of the heads are those of the step after, which reads the token; "" where none is. */
export function movedNote({ heads, moved }: Pick<SceneSpec, "heads" | "moved">): string {
  const shown = heads.filter((head) => isMoved({ moved }, head));
  if (shown.length === 0) return "";
  if (heads.length === 1) return " (one step later)";
  return ` (${shown.map(([layer, head]) => `L${layer} H${head}`).join(", ")} one step later)`;
}

/** What a drawing of a scene shows: its heads, and what its rows stand for. */
export function sceneTitle(context: Context, scene: Scene): string[] {
  const { reading, words } = scene.spec;
  return [
    sceneNames(context, scene).join("; "),
    `rows named by the ${rowName(reading, words)}${movedNote(scene.spec)}`,
  ];
}
