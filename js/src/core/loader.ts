// Keeps what the panel shows in step with the traits: loads scenes, scores, thumbnails and alignments, holds errors.

import type { AlignmentReply, LayerReply, ScoresReply } from "./contract";
import type { Data } from "./data";
import { type Pick, type Subject, secondPick } from "./picks";
import { buildScene, type Scene, type SceneSpec } from "./scene";
import type { Store } from "./store";

export type LoadReason = "scene" | "other" | "scores" | "grids" | "alignment" | "loading" | "error";
/** By weight: the first that failed is the one that is shown. */
const ERRANDS = ["scene", "other", "scores", "grids", "thumbnails", "alignment", "exact", "export"] as const;
export type Errand = (typeof ERRANDS)[number];
/** What comes of mere pointing, or of a button below the view, is told below it. */
const QUIET: readonly Errand[] = ["exact", "alignment", "export"];

export interface Loader {
  scene: Scene | null;
  /** The scene that the first is compared with; kept up only while it is looked at. */
  other: Scene | null;
  /** Scores of the sentence that the grid is about, null until they are there. */
  scores: ScoresReply | null;
  /** Why they are not: the score's own error; "" while they are computed. */
  failure: string;
  /** Every listed score of the shown sentence, as they come, and why one could not be computed. */
  grids: ReadonlyMap<string, ScoresReply>;
  failures: ReadonlyMap<string, string>;
  alignment: AlignmentReply | null;
  loading: string;
  /** What to tell of first, and whether to tell it quietly. */
  error: { text: string; quiet: boolean } | null;
  refreshScene(): void;
  refreshOther(): void;
  refreshScores(): void;
  refreshGrids(): void;
  refreshAlignment(): void;
  thumbnails(layer: number): void;
  /** Notes that something failed, or with null that it went well this time. */
  settle(errand: Errand, error: string | null): void;
  retry(): void;
}

export interface LoaderEvents {
  changed(reason: LoadReason): void;
  thumbnails(sentence: number, layer: number, reply: LayerReply): void;
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function createLoader(
  data: Data,
  store: Store,
  subject: Subject,
  events: LoaderEvents,
  signal: AbortSignal,
): Loader {
  const errors = new Map<Errand, string>();
  const runs = new Map<Errand, AbortController>();
  let wanted: number[] = [];
  let busy = false;
  signal.addEventListener("abort", () => void [...runs.values()].map((run) => run.abort()), { once: true });

  /** A new run of an errand ends the one before. */
  function start(errand: Errand): AbortSignal {
    runs.get(errand)?.abort();
    const run = new AbortController();
    if (signal.aborted) run.abort();
    runs.set(errand, run);
    return run.signal;
  }

  function settle(errand: Errand, error: string | null): void {
    if (error === null ? !errors.delete(errand) : false) return;
    if (error !== null) errors.set(errand, error);
    const first = ERRANDS.find((name) => errors.has(name));
    loader.error = first ? { text: errors.get(first) ?? "", quiet: QUIET.includes(first) } : null;
    events.changed("error");
  }

  function setLoading(text: string): void {
    if (loader.loading === text) return;
    loader.loading = text;
    events.changed("loading");
  }

  async function loadScene(which: "scene" | "other", pick: Pick): Promise<void> {
    const run = start(which);
    const spec: SceneSpec = {
      ...pick,
      aggregate: store.get("aggregate"),
      words: store.get("words"),
      drop: store.get("special") === "drop",
      reading: store.get("reading"),
    };
    if (loader[which]?.spec.sentence !== spec.sentence) setLoading("loading the sentence…");
    try {
      const scene = await buildScene(data, spec, run, (layer) => {
        if (!run.aborted) setLoading(`loading layer ${layer}…`);
      });
      if (run.aborted) return;
      loader[which] = scene;
      settle(which, null);
    } catch (error) {
      if (run.aborted) return;
      // The old lines under the new choice of heads would be a lie.
      loader[which] = null;
      settle(which, `The weights could not be loaded: ${errorText(error)}`);
    }
    setLoading("");
    events.changed(which);
  }

  async function loadScores(): Promise<void> {
    const run = start("scores");
    const { sentence } = subject.pick();
    const name = store.get("score_name");
    loader.scores = null;
    loader.failure = "";
    try {
      const reply = await data.scores(sentence, name);
      if (run.aborted) return;
      loader.scores = reply;
      settle("scores", null);
    } catch (error) {
      if (run.aborted) return;
      loader.failure = errorText(error);
      settle("scores", `The score "${name}" could not be computed: ${errorText(error)}`);
    }
    events.changed("scores");
  }

  /** All at once: the kernel computes them beside everything else, and one that takes long keeps none waiting. */
  async function loadGrids(): Promise<void> {
    const run = start("grids");
    const sentence = store.get("sentence");
    const grids = new Map<string, ScoresReply>();
    const failures = new Map<string, string>();
    loader.grids = grids;
    loader.failures = failures;
    settle("grids", null);
    const load = async (name: string): Promise<void> => {
      try {
        grids.set(name, await data.scores(sentence, name));
      } catch (error) {
        failures.set(name, errorText(error));
      }
      if (run.aborted) return;
      const failed = [...failures].map(([which, why]) => `"${which}" (${why})`);
      if (failed.length > 0) settle("grids", `Scores that could not be computed: ${failed.join(", ")}`);
      events.changed("grids");
    };
    await Promise.all(store.get("score_list").map(({ name }) => load(name)));
  }

  async function loadAlignment(): Promise<void> {
    const run = start("alignment");
    loader.alignment = null;
    const { spec, reply } = loader.scene ?? {};
    if (!spec || !reply?.reference) return settle("alignment", null);
    try {
      const { sentence, heads, aggregate, reading } = spec;
      const alignment = await data.alignment(sentence, heads, aggregate, reading);
      if (run.aborted) return;
      loader.alignment = alignment;
      settle("alignment", null);
    } catch (error) {
      if (run.aborted) return;
      // A page without a kernel holds the error rates of few picks.
      if (store.get("info").live)
        settle("alignment", `The alignment could not be computed: ${errorText(error)}`);
    }
    events.changed("alignment");
  }

  /** One layer at a time: a large model has more than the kernel should be asked for at once. */
  async function loadThumbnails(): Promise<void> {
    if (busy) return;
    busy = true;
    while (wanted.length > 0 && !signal.aborted) {
      const layer = wanted.shift() ?? 0;
      const sentence = store.get("sentence");
      try {
        const reply = await data.layer(sentence, layer);
        if (signal.aborted) break;
        events.thumbnails(sentence, layer, reply);
        settle("thumbnails", null);
      } catch (error) {
        wanted = [];
        if (!signal.aborted) settle("thumbnails", `A layer could not be loaded: ${errorText(error)}`);
      }
    }
    busy = false;
  }

  const loader: Loader = {
    scene: null,
    other: null,
    scores: null,
    failure: "",
    grids: new Map(),
    failures: new Map(),
    alignment: null,
    loading: "",
    error: null,
    refreshScene: () =>
      void loadScene("scene", { sentence: store.get("sentence"), heads: store.get("heads") }),
    refreshOther: () => void loadScene("other", secondPick(store)),
    refreshScores: () => void loadScores(),
    refreshGrids: () => void loadGrids(),
    refreshAlignment: () => void loadAlignment(),
    thumbnails(layer) {
      if (!wanted.includes(layer)) wanted.push(layer);
      void loadThumbnails();
    },
    settle,
    retry() {
      const failed = [...errors.keys()];
      errors.clear();
      loader.error = null;
      events.changed("error");
      if (failed.includes("scene") || !loader.scene) loader.refreshScene();
      if (failed.includes("other")) loader.refreshOther();
      if (failed.includes("scores")) loader.refreshScores();
      if (failed.includes("grids")) loader.refreshGrids();
      if (failed.includes("alignment")) loader.refreshAlignment();
      if (failed.includes("thumbnails")) events.changed("scene");
    },
  };
  return loader;
}
