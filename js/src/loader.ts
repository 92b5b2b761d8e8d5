// Keeps what the panel shows in step with the traits: loads scene, scores and thumbnails, and holds the errors.
import type { Data } from "./data";
import { buildScene, type Scene, type SceneSpec } from "./scene";
import type { Store } from "./state";
import type { LayerReply, ScoresReply } from "./types";

export type LoadReason = "scene" | "scores" | "loading" | "error";
/** By weight: the first that failed is the one that is shown. */
const ERRANDS = ["scene", "scores", "thumbnails", "exact"] as const;
type Errand = (typeof ERRANDS)[number];

export interface Loader {
  scene: Scene | null;
  /** Scores of the current sentence, null until they are there. */
  scores: ScoresReply | null;
  loading: string;
  /** What to tell of first, and whether it came from mere pointing. */
  error: { text: string; quiet: boolean } | null;
  refreshScene(): void;
  refreshScores(): void;
  thumbnails(layer: number): void;
  exactFailed(error: unknown): void;
  exactCame(): void;
  retry(): void;
}

export interface LoaderEvents {
  changed(reason: LoadReason): void;
  thumbnails(sentence: number, layer: number, reply: LayerReply): void;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function createLoader(data: Data, store: Store, events: LoaderEvents, signal: AbortSignal): Loader {
  const errors = new Map<Errand, string>();
  let sceneRun = new AbortController();
  let scoreRun = 0;
  let wanted: number[] = [];
  let busy = false;
  signal.addEventListener("abort", () => sceneRun.abort(), { once: true });

  function settle(errand: Errand, error: string | null): void {
    if (error === null) errors.delete(errand);
    else errors.set(errand, error);
    const first = ERRANDS.find((name) => errors.has(name));
    loader.error = first ? { text: errors.get(first) ?? "", quiet: first === "exact" } : null;
    events.changed("error");
  }

  function setLoading(text: string): void {
    if (loader.loading === text) return;
    loader.loading = text;
    events.changed("loading");
  }

  async function loadScene(): Promise<void> {
    sceneRun.abort();
    sceneRun = new AbortController();
    const run = sceneRun.signal;
    const spec: SceneSpec = {
      sentence: store.get("sentence"),
      heads: store.get("heads"),
      aggregate: store.get("aggregate"),
      words: store.get("words"),
      drop: store.get("special") === "drop",
      reading: store.get("reading"),
    };
    if (loader.scene?.spec.sentence !== spec.sentence) setLoading("loading the sentence…");
    try {
      const scene = await buildScene(data, spec, run, (layer) => {
        if (!run.aborted) setLoading(`loading layer ${layer}…`);
      });
      if (run.aborted) return;
      loader.scene = scene;
      settle("scene", null);
    } catch (error) {
      if (run.aborted) return;
      // The old lines under the new choice of heads would be a lie.
      loader.scene = null;
      settle("scene", `The weights could not be loaded: ${words(error)}`);
    }
    setLoading("");
    events.changed("scene");
  }

  async function loadScores(): Promise<void> {
    scoreRun += 1;
    const run = scoreRun;
    const sentence = store.get("sentence");
    const name = store.get("score_name");
    loader.scores = null;
    try {
      const reply = await data.scores(sentence, name);
      if (run !== scoreRun || signal.aborted) return;
      loader.scores = reply;
      settle("scores", null);
    } catch (error) {
      if (run !== scoreRun || signal.aborted) return;
      settle("scores", `The score "${name}" could not be computed: ${words(error)}`);
    }
    events.changed("scores");
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
        if (errors.has("thumbnails")) settle("thumbnails", null);
      } catch (error) {
        wanted = [];
        if (!signal.aborted) settle("thumbnails", `A layer could not be loaded: ${words(error)}`);
      }
    }
    busy = false;
  }

  const loader: Loader = {
    scene: null,
    scores: null,
    loading: "",
    error: null,
    refreshScene: () => void loadScene(),
    refreshScores: () => void loadScores(),
    thumbnails(layer) {
      if (!wanted.includes(layer)) wanted.push(layer);
      void loadThumbnails();
    },
    exactCame: () => void (errors.has("exact") && settle("exact", null)),
    exactFailed: (error) => settle("exact", `The exact weights could not be read: ${words(error)}`),
    retry() {
      const failed = [...errors.keys()];
      errors.clear();
      loader.error = null;
      events.changed("error");
      if (failed.includes("scene") || !loader.scene) void loadScene();
      if (failed.includes("scores")) void loadScores();
      if (failed.includes("thumbnails")) events.changed("scene");
    },
  };
  return loader;
}
