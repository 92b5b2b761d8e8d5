// Wires store, data and rooms into one panel; the function it returns takes everything down again.

import { createAllHeadsRoom } from "./all_heads/controller";
import { createCompareRoom } from "./compare/controller";
import { createActive } from "./core/active";
import type { Model, PanelName } from "./core/contract";
import { createData } from "./core/data";
import { h, setText } from "./core/dom";
import { createGestures } from "./core/gestures";
import { type Inspection, speakPicked } from "./core/inspect";
import { createLoader, errorText } from "./core/loader";
import { createSubject } from "./core/picks";
import { headColors } from "./core/scales";
import { createFrame, createStore } from "./core/store";
import { applyTheme, clearHostBackground, type Theme, watchTheme } from "./core/theme";
import { createTransport } from "./core/transport";
import { anyOf, type Context, outlinesOf, type Reason, type Reasons, type Room } from "./core/view";
import { createLiveRoom } from "./experiments/controller";
import { createExport } from "./frame/export";
import { createHeader } from "./frame/header";
import { createOptions } from "./frame/options";
import { createPicked } from "./frame/picked";
import { createReader } from "./frame/reader";
import { createShell } from "./frame/shell";
import { createStatus } from "./frame/status";
import { createTabs } from "./frame/tabs";
import { createSideRooms } from "./heads/controller";
import { createLinesRoom } from "./lines/controller";
import { createMatrixRoom } from "./matrix/controller";
import { createScoresRoom } from "./scores/controller";

const SCENE_TRAITS: readonly Reason[] = [
  ...(["info", "sentence", "heads", "aggregate", "words", "special", "reading"] as const),
];
const SCORE_TRAITS: readonly Reason[] = [
  "info",
  "sentence",
  "score_name",
  "score_list",
  "side",
  "compare",
  "panel",
];
const ACTIVE_TRAITS: readonly Reason[] = [
  ...(["scene", "target_index", "source_index", "panel", "orientation", "theme"] as const),
  ...(["keep", "threshold", "top_k", "mass"] as const),
];

let panels = 0;

export function mountPanel(model: Model, host: HTMLElement): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  panels += 1;
  const id = `xattn-${panels}-${Math.random().toString(36).slice(2, 8)}`;

  const store = createStore(model, signal);
  const transport = createTransport(model, signal);
  const data = createData(transport, (sentence) => store.get("info").sentences[sentence]?.version);
  const redrawSoon = createFrame<Reason>(redraw, signal);
  const paintSoon = createFrame<() => void>((paints) => {
    for (const paint of paints) paint();
  }, signal);
  const subject = createSubject(store);
  const loader = createLoader(
    data,
    store,
    subject,
    {
      changed: redrawSoon,
      thumbnails: (sentence, layer, reply) => all.provide(sentence, layer, reply),
    },
    signal,
  );
  const active = createActive(
    data,
    store,
    {
      scene: () => loader.scene,
      show: showActive,
      speak: (text) => setText(spoken, text),
      fetched: (error) =>
        loader.settle(
          "exact",
          error === null ? null : `The exact weights could not be read: ${errorText(error)}`,
        ),
    },
    signal,
  );
  const gestures = createGestures(store, subject);
  const context: Context = {
    store,
    data,
    loader,
    active,
    gestures,
    subject,
    theme: () => theme,
    colors: () => headColors(theme.dark),
    redraw: redrawSoon,
    paintSoon,
    id,
    signal,
  };

  const header = createHeader(gestures, signal);
  const live = createLiveRoom(context, transport);
  const side = createSideRooms(context, live.mute);
  const options = createOptions((patch) => store.set(patch), id, signal);
  const tabs = createTabs({ panel: (panel) => store.set({ panel }), options: options.open }, id, signal);
  const picked = createPicked(gestures, signal);
  const status = createStatus({ retry: () => loader.retry() }, signal);
  const reader = createReader(context, {
    found: (tokens) => lines.found(tokens),
    tell: (text) => {
      status.tell(text);
      setText(spoken, text);
    },
    root: () => root,
  });
  const lines = createLinesRoom(context, reader.copy);
  const all = createAllHeadsRoom(context);
  const rooms: Record<PanelName, Room> = {
    lines,
    matrix: createMatrixRoom(context),
    compare: createCompareRoom(context),
    scores: createScoresRoom(context),
    all,
  };
  const room = () => rooms[store.get("panel")];
  const saving = createExport(context, {
    root: () => root,
    view: () => room().element,
    thumbnails: all.complete,
  });
  tabs.bar.prepend(reader.search, saving);

  const {
    root,
    view,
    empty,
    notes,
    summary,
    live: spoken,
  } = createShell(id, {
    header: header.element,
    live: live.element,
    score: side.score,
    heads: side.heads,
    layers: side.layers,
    ranking: side.ranking,
    tabs: tabs.element,
    options: options.element,
    picked: picked.element,
    loading: status.loading,
    alert: status.alert,
    detail: reader.detail,
    views: Object.values(rooms).map(({ element }) => element),
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

  clearHostBackground(root);
  let theme: Theme = applyTheme(root, store.get("theme"));
  const unsubscribe = store.subscribe((name) => redrawSoon(name));
  watchTheme(root, () => redrawSoon("theme"), signal);
  const resize = new ResizeObserver(() => redrawSoon("size"));
  resize.observe(root);
  loader.refreshScene();
  loader.refreshScores();
  redrawSoon("theme", "panel");

  function showActive(inspection: Inspection | null, pinned: boolean): void {
    reader.show(inspection, pinned, loader.scene ? (room().hint ?? "") : "");
    lines.activate?.(inspection, pinned);
  }

  const unseen = new Set<Reason>();
  /** Whether the host lays the panel out at all just now; what is due waits until it does. */
  function laidOut(due: Reasons): boolean {
    if (root.clientWidth > 0) return true;
    // JupyterLab hides everything for a part of a frame when it changes its theme, which no observer sees: look once
    // more in the next frame. A panel that is hidden for longer is told by its size.
    if (unseen.size === 0) redrawSoon("size");
    for (const reason of due) unseen.add(reason);
    return false;
  }

  function redraw(due: Reasons): void {
    if (!laidOut(due)) return;
    const reasons = new Set([...due, ...unseen]);
    unseen.clear();
    if (reasons.has("score_list")) data.forgetScores();
    if (anyOf(reasons, SCENE_TRAITS)) loader.refreshScene();
    if (anyOf(reasons, SCORE_TRAITS)) loader.refreshScores();
    if (reasons.has("scene")) loader.refreshAlignment();
    room().load?.(reasons);
    if (anyOf(reasons, ["theme", "size"])) retheme();
    // Without a scene the place of the view says it already.
    status.setLoading(loader.scene || room().hint === null ? loader.loading : "");
    root.classList.toggle("xattn-waiting", loader.loading !== "");
    status.setError(loader.error, store.get("info").live);
    header.show(store.get("info"), store.get("sentence"), loader.scene?.reply.generated ?? null);
    live.draw();
    drawSide();
    drawMain(reasons);
    if (anyOf(reasons, ACTIVE_TRAITS)) active.sceneChanged();
  }

  function retheme(): void {
    const next = applyTheme(root, store.get("theme"));
    const same = JSON.stringify([next.dark, next.background, next.foreground]);
    // A new object makes the views paint again: only for new colors.
    if (same !== JSON.stringify([theme.dark, theme.background, theme.foreground])) theme = next;
  }

  function drawSide(): void {
    const said = side.draw();
    const heads = store.get("heads");
    const colors = context.colors();
    picked.element.hidden = !["lines", "matrix"].includes(store.get("panel"));
    picked.show({
      heads,
      colors: outlinesOf(heads.length, colors),
      aggregated: heads.length > colors.length ? store.get("aggregate") : null,
      dropped: store.get("special") === "drop",
      alignment: loader.alignment,
      reference: Boolean(loader.scene?.reply.reference),
    });
    setText(summary, `${room().summary?.() ?? ""} ${speakPicked(subject.pick().heads, said)}`.trim());
  }

  function drawMain(reasons: Reasons): void {
    const panel = store.get("panel");
    const { scene } = loader;
    tabs.show(panel);
    const longest = scene?.source.labels.length ?? 1;
    options.show(optionTraits(), store.get("heads").length, longest);
    reader.search.hidden = !["lines", "matrix"].includes(panel);
    reader.draw();
    const blank = scene !== null && (scene.source.labels.length === 0 || scene.target.labels.length === 0);
    const needsScene = panel !== "all" && panel !== "scores";
    const shows = !needsScene || (scene !== null && !blank);
    empty.hidden = shows;
    setText(
      empty,
      blank
        ? "Every token here is special, and special tokens are dropped."
        : loader.loading || "No weights to show.",
    );
    for (const [name, { element }] of Object.entries(rooms)) element.hidden = name !== panel || !shows;
    view.setAttribute("aria-labeledby", `${id}-tab-${panel}`);
    reader.detail.hidden = room().hint === null || (scene === null && loader.error !== null);
    root.classList.toggle("xattn-undetailed", room().hint === null);
    const { notice } = store.get("info");
    drawNotes([...(notice ? [notice] : []), ...(scene?.reply.notes ?? [])]);
    if (shows) room().draw(reasons);
  }

  function optionTraits(): Parameters<typeof options.show>[0] {
    return {
      panel: store.get("panel"),
      aggregate: store.get("aggregate"),
      words: store.get("words"),
      special: store.get("special"),
      reading: store.get("reading"),
      orientation: store.get("orientation"),
      keep: store.get("keep"),
      threshold: store.get("threshold"),
      top_k: store.get("top_k"),
      mass: store.get("mass"),
    };
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
