// Wires store, data and views into one panel; the function it returns takes everything down again.
import { createActive } from "./active";
import { createData } from "./data";
import { h, setText } from "./dom";
import { formatScore, formatWeight, headName } from "./format";
import { createGestures } from "./gestures";
import { type Inspection, speakPicked } from "./inspect";
import { createLoader, type LoadReason } from "./loader";
import { layerMeans, rankHeads } from "./ranking";
import { headColours, scoreDomain } from "./scales";
import { createShell } from "./shell";
import { createFrame, createStore } from "./state";
import { applyTheme, type Theme, watchTheme } from "./theme";
import { createTransport } from "./transport";
import type { Model, PanelName, TraitName } from "./types";
import { createAllHeads } from "./views/all_heads";
import { createControls } from "./views/controls";
import { createDetail } from "./views/detail";
import { createHeader } from "./views/header";
import { createHeads } from "./views/heads";
import { createLayers } from "./views/layers";
import { createLines } from "./views/lines";
import { createMatrix } from "./views/matrix";
import { createPicked } from "./views/picked";
import { createRanking } from "./views/ranking";
import { createScore } from "./views/score";
import { createStatus } from "./views/status";
import { createWalk } from "./walk";

type Reason = TraitName | LoadReason | "theme" | "size";

const SCENE_TRAITS: readonly Reason[] = ["sentence", "heads", "aggregate", "words", "special", "reading"];
const SCORE_TRAITS: readonly Reason[] = ["sentence", "score_name", "score_list"];
const PIN_TRAITS: readonly Reason[] = ["scene", "target_index", "source_index", "orientation", "panel"];
const HINTS: Record<PanelName, string> = {
  lines:
    "Point at a token, or walk with the arrow keys, to see what it looks at. Click pins it, Escape lets go.",
  matrix:
    "Point at a cell, or walk with the arrow keys, to read its weight. Click pins its row, Escape lets go.",
  all: "",
};

let panels = 0;

export function mountPanel(model: Model, host: HTMLElement): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  panels += 1;
  const id = `xattn-${panels}-${Math.random().toString(36).slice(2, 8)}`;

  const store = createStore(model, signal);
  const data = createData(createTransport(model, signal));
  const redrawSoon = createFrame<Reason>(redraw, signal);
  const paintSoon = createFrame<() => void>((paints) => {
    for (const paint of paints) paint();
  }, signal);
  const loader = createLoader(
    data,
    store,
    {
      changed: redrawSoon,
      thumbnails: (sentence, layer, reply) => allHeads.provide(sentence, layer, reply),
    },
    signal,
  );
  const active = createActive(
    data,
    store,
    {
      scene: () => loader.scene,
      show: showActive,
      speak: (text) => setText(live, text),
      fetched: (error) => (error === null ? loader.exactCame() : loader.exactFailed(error)),
    },
    signal,
  );

  const gestures = createGestures(store);

  const header = createHeader(gestures, signal);
  const score = createScore({ score: (score_name) => store.set({ score_name }) }, signal);
  const heads = createHeads(gestures, signal);
  const layers = createLayers();
  const ranking = createRanking(gestures, signal);
  const controls = createControls((patch) => store.set(patch), id, signal);
  const picked = createPicked(gestures, signal);
  const status = createStatus({ retry: () => loader.retry() }, signal);
  const detail = createDetail();
  const lines = createLines(
    {
      hover: (side, unit) => active.hover(unit === null ? null : { side, unit }),
      focus: (side, unit) => active.focus(unit === null ? null : { side, unit }),
      click: (side, unit) => active.toggle({ side, unit }),
      move: (side, unit, move) => walk({ side, unit }, move),
    },
    paintSoon,
    signal,
  );
  const matrix = createMatrix(
    {
      cell: active.cell,
      pin: (unit) => active.toggle({ side: "target", unit }),
      unpin: active.unpin,
      layer: gestures.stepLayer,
    },
    signal,
  );
  const allHeads = createAllHeads(
    {
      open: gestures.open,
      need: (layer) => loader.thumbnails(layer),
    },
    signal,
  );

  const walk = createWalk(active, {
    scene: () => loader.scene,
    inspection: () => lastInspection,
    focus: ({ side, unit }) => lines.focus(side, unit),
    stepLayer: gestures.stepLayer,
  });

  const views: Record<PanelName, HTMLElement> = {
    lines: lines.element,
    matrix: matrix.element,
    all: allHeads.element,
  };
  const { root, view, empty, notes, summary, live } = createShell(id, {
    header: header.element,
    score: score.element,
    heads: heads.element,
    layers: layers.element,
    ranking: ranking.element,
    tabs: controls.tabs,
    options: controls.options,
    picked: picked.element,
    loading: status.loading,
    alert: status.alert,
    detail: detail.element,
    views: Object.values(views),
  });
  host.append(root);
  // The host's own keys (JupyterLab cuts a cell by "x") are not meant for who walks along tokens or moves a slider.
  root.addEventListener(
    "keydown",
    (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    },
    { signal },
  );

  let theme: Theme = applyTheme(root, store.get("theme"));
  const unsubscribe = store.subscribe((name) => redrawSoon(name));
  watchTheme(root, () => redrawSoon("theme"), signal);
  const resize = new ResizeObserver(() => redrawSoon("size"));
  resize.observe(root);
  loader.refreshScene();
  loader.refreshScores();
  redrawSoon("theme");

  let lastInspection: Inspection | null = null;
  function showActive(inspection: Inspection | null, pinned: boolean): void {
    lastInspection = inspection;
    detail.show(inspection && { ...inspection, pinned }, loader.scene ? HINTS[store.get("panel")] : "");
    if (!inspection) {
      lines.activate(null);
      return;
    }
    const { token, partners, exact } = inspection;
    const weights = new Map(partners.map(({ index, value }) => [index, formatWeight(value, exact)]));
    lines.activate({ ...token, partners: weights, pinned });
  }

  const unseen = new Set<Reason>();
  /** Whether the host lays the panel out at all just now; what is due waits until it does. */
  function laidOut(due: ReadonlySet<Reason>): boolean {
    if (root.clientWidth > 0) return true;
    // JupyterLab hides everything for a part of a frame when it changes its theme, which no observer sees: look once
    // more in the next frame. A panel that is hidden for longer is told by its size.
    if (unseen.size === 0) redrawSoon("size");
    for (const reason of due) unseen.add(reason);
    return false;
  }

  function redraw(due: ReadonlySet<Reason>): void {
    if (!laidOut(due)) return;
    const reasons = new Set([...due, ...unseen]);
    unseen.clear();
    const any = (names: readonly Reason[]) => names.some((name) => reasons.has(name));
    if (reasons.has("score_list")) data.forgetScores();
    if (any(SCENE_TRAITS)) loader.refreshScene();
    if (any(SCORE_TRAITS)) loader.refreshScores();
    if (any(["theme", "size"])) retheme();
    // Without a scene the place of the view says it already.
    status.setLoading(loader.scene || store.get("panel") === "all" ? loader.loading : "");
    root.classList.toggle("xattn-waiting", loader.loading !== "");
    status.setError(loader.error, store.get("info").live);
    header.show(store.get("info"), store.get("sentence"), loader.scene?.reply.generated ?? null);
    drawHeads();
    drawMain(reasons);
    if (any(["scene", "target_index", "source_index", "panel", "threshold", "orientation", "theme"]))
      active.sceneChanged();
  }

  function retheme(): void {
    const next = applyTheme(root, store.get("theme"));
    const same = JSON.stringify([next.dark, next.background, next.foreground]);
    // A new object makes the views paint again: only for new colours.
    if (same !== JSON.stringify([theme.dark, theme.background, theme.foreground])) theme = next;
  }

  function colours(): readonly string[] {
    return headColours(theme.dark);
  }

  function drawHeads(): void {
    const info = store.get("info");
    const scores = store.get("score_list");
    const name = store.get("score_name");
    const values = loader.scores?.values ?? null;
    const direction = scores.find((entry) => entry.name === name)?.direction ?? "higher";
    const ranked = values && rankHeads(values, direction);
    const domain = values && scoreDomain(values);
    const pickedHeads = store.get("heads");
    const aggregated = pickedHeads.length > colours().length;
    const outlines = pickedHeads.map((_, i) => colours()[aggregated ? 0 : i] ?? "");
    score.show({
      scores,
      name,
      domain,
      ready: values !== null,
      signature: loader.scores?.signature ?? "",
      undefinedHeads: ranked?.filter((entry) => entry.value === null).length ?? 0,
      theme,
    });
    heads.show({
      layers: info.layers,
      heads: info.heads,
      picked: pickedHeads,
      outlines,
      scoreName: name,
      ranked,
      domain,
      theme,
    });
    layers.show(values && layerMeans(values), info.layers, domain);
    ranking.show(ranked, pickedHeads);
    picked.element.hidden = store.get("panel") === "all";
    picked.show({
      heads: pickedHeads,
      colours: outlines,
      aggregated: aggregated ? store.get("aggregate") : null,
      dropped: store.get("special") === "drop",
    });
    const last = ranked?.find((entry) => entry.head.join() === pickedHeads[pickedHeads.length - 1]?.join());
    const which = last && pickedHeads.length > 1 ? ` Of the last, ${headName(...last.head)}:` : "";
    const said = last
      ? `${which} ${name} ${formatScore(last.value)}, rank ${last.rank} of ${ranked?.length}.`
      : "";
    setText(summary, speakPicked(pickedHeads, said));
  }

  function drawMain(reasons: ReadonlySet<Reason>): void {
    const panel = store.get("panel");
    const { scene } = loader;
    controls.show(
      {
        panel,
        aggregate: store.get("aggregate"),
        words: store.get("words"),
        special: store.get("special"),
        reading: store.get("reading"),
        orientation: store.get("orientation"),
        threshold: store.get("threshold"),
      },
      store.get("heads").length,
    );
    const blank = scene !== null && (scene.source.labels.length === 0 || scene.target.labels.length === 0);
    const shows = panel === "all" || (scene !== null && !blank);
    empty.hidden = shows;
    setText(
      empty,
      blank
        ? "Every token here is special, and special tokens are dropped."
        : loader.loading || "No weights to show.",
    );
    for (const [name, element] of Object.entries(views)) element.hidden = name !== panel || !shows;
    view.setAttribute("aria-labelledby", `${id}-tab-${panel}`);
    detail.element.hidden = panel === "all" || (scene === null && loader.error !== null);
    drawNotes(scene?.reply.notes ?? []);
    const fade = store.get("special") === "fade";
    if (panel === "all") {
      allHeads.show({
        layers: store.get("info").layers,
        heads: store.get("info").heads,
        sentence: store.get("sentence"),
        values: loader.scores?.values ?? null,
        scoreName: store.get("score_name"),
        picked: store.get("heads"),
        theme,
      });
    } else if (scene && !blank && panel === "matrix") {
      matrix.show({ scene, fade, theme });
    } else if (scene && !blank) {
      const threshold = store.get("threshold");
      lines.show({ scene, layout: store.get("orientation"), threshold, fade, colours: lineColours(), theme });
      const pin = active.pinned();
      if (pin) lines.setTabStop(pin.side, pin.unit);
      // Python may pin a token that is out of sight.
      if (pin && PIN_TRAITS.some((name) => reasons.has(name))) lines.reveal(pin.side, pin.unit);
    }
  }

  function lineColours(): readonly string[] {
    return colours().slice(0, loader.scene?.sets.length ?? 1);
  }

  function drawNotes(texts: readonly string[]): void {
    if (texts.join("\n") === [...notes.children].map((child) => child.textContent).join("\n")) return;
    notes.replaceChildren(...texts.map((text) => h("li", { text })));
  }

  return () => {
    closing.abort();
    unsubscribe();
    resize.disconnect();
    root.remove();
  };
}
