// A profile of heads: the grid, what the picked head does, how heads agree, and the panel of a sentence that is open.
import { computed, signal as value } from "@preact/signals-core";
import { createAlert } from "../core/alert";
import { createAsking } from "../core/asking";
import type { Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { download, pngOf } from "../core/download";
import { drawingStyle } from "../core/drawing_style";
import { createErrands, errorText } from "../core/errands";
import { createFrames } from "../core/frames";
import { page } from "../core/markup";
import type { HostedModel } from "../core/model";
import { sameHead } from "../core/picks";
import { rankHeads } from "../core/ranking";
import { scoreDomain } from "../core/scales";
import { createStore } from "../core/store";
import { followLooks } from "../core/theme";
import { createTransport } from "../core/transport";
import { formatCount } from "../corpus/numbers";
import { createSentence } from "../corpus/sentence";
import { createExportMenu, type Format } from "../frame/menu";
import { createGrid } from "../heads/grid";
import type { Marked } from "../heads/marked";
import { keepKeys, mountPanel } from "../panel";
import { createCard } from "./card";
import type { ProfileInfo, ProfileRequest, ProfileTraits, StrongestReply } from "./contract";
import { createControls } from "./controls";
import { drawGrid, profileCsv, SAVED } from "./export";
import { createLegend } from "./legend";
import { createMatrix } from "./matrix";
import { listedScore, type Numbers, readNumbers, roleFill, roleOf, statisticName } from "./numbers";
import { createSentences } from "./sentences";
import { createTable } from "./table";

let views = 0;

/** Returns a function that takes everything down again. */
export function mountProfile(model: HostedModel, host: HTMLElement): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  const root = h("section", {
    class: "xattn xattn-profile",
    // JupyterLab takes keys before they reach the view, unless an element asks for them.
    attrs: { "aria-label": "What each head does", "data-lm-suppress-shortcuts": "true" },
  });
  host.append(root);
  views += 1;
  const store = createStore<ProfileTraits>(model, signal);
  const transport = createTransport<ProfileRequest>(model, signal, 120_000);
  const frames = createFrames(() => root.clientWidth > 0, signal);
  const { theme, size } = followLooks(root, store, frames, signal);
  const errands = createErrands(signal);
  const numbers = value<Numbers | null>(null);
  const strongest = value<(Wanted & StrongestReply) | null>(null);
  const pick = (head: Head) => store.set({ head });

  // --- What the kernel is asked, once for the numbers, and for each list of sentences.

  const asking = createAsking(transport, errands);
  const askNumbers = asking<Extract<ProfileRequest, { kind: "numbers" }>>(
    "The numbers could not be read",
    ({ buffers }) => {
      numbers.value = readNumbers(store.get("info"), buffers);
    },
  );
  const askStrongest = asking<Extract<ProfileRequest, { kind: "strongest" }>>(
    "The sentences could not be listed",
    ({ content }, { name, head }) => {
      strongest.value = { name, head, rows: (content as unknown as StrongestReply).rows };
    },
  );
  const wanted = computed<Wanted | null>(() => {
    const head = store.get("head");
    if (!numbers.value || !head) return null;
    const name = listedScore(store.get("info"), numbers.value, store.get("score_name"), head);
    return name === "" ? null : { name, head };
  });
  const isEmpty = () => store.get("info").layers * store.get("info").heads === 0;
  if (!isEmpty()) askNumbers({ kind: "numbers" });
  frames.watch(() => {
    if (wanted.value) askStrongest({ kind: "strongest", ...wanted.value });
  });

  // --- What is shown.

  const counts = h("span", { class: "xattn-model" });
  const menu = createExportMenu(
    { save: (format) => void save(format) },
    { root, id: `xattn-profile-${views}`, signal },
    SAVED,
  );
  const header = h(
    "header",
    { class: "xattn-header" },
    h("span", { class: "xattn-title", text: "What each head does" }),
    counts,
    menu,
  );
  const notice = h("div", { class: "xattn-small xattn-corpus-notice" });
  const empty = h("div", { class: "xattn-empty", text: "This profile has no heads." });
  const controls = createControls(
    {
      score: (name) => store.set({ score_name: name }),
      statistic: (statistic) => store.set({ statistic }),
    },
    signal,
  );
  const grid = createGrid({ pick, pickLayer() {}, point() {}, mute: () => false }, signal, {
    label: "Heads: layers down, heads across. Arrow keys pick a head.",
    picksLayers: false,
    picksByArrows: true,
  });
  const legend = createLegend();
  const matrix = createMatrix({ pick }, signal);
  const sentences = createSentences({ open: (row) => store.set({ row }) }, signal);
  const card = createCard(
    { pick, score: (name) => store.set({ score_name: name }) },
    sentences.element,
    signal,
  );
  const table = createTable({ pick }, signal);
  const sentence = createSentence(
    (model.get("info") as ProfileInfo).what,
    model,
    mountPanel,
    { close: () => store.set({ row: null }) },
    signal,
  );
  const left = h(
    "div",
    { class: "xattn-profile-heads" },
    h("div", { class: "xattn-grid-box" }, grid.element),
    legend.element,
  );
  const unknown = h("div", { class: "xattn-small xattn-muted" });
  const agreement = h("div", { class: "xattn-profile-agreement" }, matrix.element, unknown);
  const body = h("div", { class: "xattn-profile-body" }, left, card.element, agreement);
  const shown = h("div", {}, controls.element, controls.about, body, table.element);
  root.append(header, notice, createAlert(errands, frames, signal), empty, shown, sentence.bar);
  host.append(sentence.place);
  keepKeys({ root, signal });

  const values = computed(() => {
    const name = store.get("score_name");
    return name === "" ? null : (numbers.value?.grid(name, store.get("statistic")) ?? []);
  });
  const domain = computed(() => (values.value ? scoreDomain(values.value) : null));
  const marked = computed<Marked[]>(() => {
    const heads = store.get("info").head_set?.heads.map(({ layer, head }): Head => [layer, head]) ?? [];
    return heads.length > 0 ? [{ kind: "best", name: "in the best set", heads }] : [];
  });
  const coloredBy = () => {
    const name = store.get("score_name");
    return name === "" ? "Roles of heads" : `${name}, ${statisticName(store.get("statistic"))}`;
  };

  frames.draw(() => {
    const info = store.get("info");
    const what = `${info.what}s`;
    const failed = info.failed > 0 ? [`${formatCount(info.failed)} could not be scored`] : [];
    const parts = [
      `${info.layers} × ${info.heads} heads`,
      `${formatCount(info.sentences)} ${what}`,
      ...failed,
    ];
    setText(counts, parts.join(" · "));
    setText(notice, info.notice);
    notice.hidden = info.notice === "";
    empty.hidden = !isEmpty();
    shown.hidden = isEmpty();
    menu.hidden = isEmpty();
  });
  frames.draw(() => controls.show(store.get("info"), store.get("score_name"), store.get("statistic")));
  frames.draw(() => {
    const [info, head, name] = [store.get("info"), store.get("head"), store.get("score_name")];
    const direction = info.scores.find((entry) => entry.name === name)?.direction ?? "higher";
    // A spread has no better end: its highest value comes first.
    const better = store.get("statistic") === "std" ? "higher" : direction;
    const { dark } = theme.value;
    grid.show({
      layers: info.layers,
      heads: info.heads,
      picked: head ? [head] : [],
      outlines: [theme.value.accent],
      scoreName: name && `${name}, ${statisticName(store.get("statistic"))},`,
      ranked: values.value && rankHeads(values.value, better),
      domain: domain.value,
      theme: theme.value,
      missing: [],
      muted: [],
      marked: marked.value,
      ...(name === "" && { fill: (other: Head) => roleFill(info, roleOf(info, other), dark) }),
    });
    legend.show({
      info,
      domain: domain.value,
      showsRoles: name === "",
      theme: theme.value,
      marked: marked.value,
    });
  });
  frames.draw(() => {
    const [info, head] = [store.get("info"), store.get("head")];
    body.classList.toggle("xattn-profile-waiting", !numbers.value);
    if (!numbers.value || !head) return;
    card.show({
      info,
      numbers: numbers.value,
      head,
      shown: store.get("score_name"),
      dark: theme.value.dark,
    });
    table.show(info, numbers.value, head);
  });
  frames.draw(() => {
    void size.value;
    const [info, head] = [store.get("info"), store.get("head")];
    agreement.hidden = info.layers * info.heads < 2;
    matrix.element.hidden = !info.agreement;
    setText(unknown, info.agreement ? "" : withoutAgreement(info.what));
    if (!numbers.value || !head || agreement.hidden || !info.agreement) return;
    matrix.show({ info, numbers: numbers.value, head, theme: theme.value, width: agreement.clientWidth });
  });
  frames.draw(() => {
    const info = store.get("info");
    const now = wanted.value;
    if (!now) return;
    sentences.show({
      score: now.name,
      direction: info.scores.find(({ name }) => name === now.name)?.direction ?? "higher",
      rows: isFor(strongest.value, now) ? strongest.value.rows : null,
      canOpen: info.can_open,
      open: store.get("row"),
      what: info.what,
    });
  });
  frames.watch(() => sentence.show(store.get("row"), store.get("_open") ?? {}, ""));

  // --- Files.

  const saving = errands.add({ quiet: true });
  async function save(format: Format): Promise<void> {
    try {
      const content = await fileOf(format);
      if (signal.aborted) return;
      download(`profile.${format === "spreadsheet" ? "csv" : format}`, content, root);
      saving.settle(null);
    } catch (error) {
      if (!signal.aborted) saving.settle(`The profile could not be saved: ${errorText(error)}`);
    }
  }

  async function fileOf(format: Format): Promise<Blob> {
    const [info, known] = [store.get("info"), numbers.peek()];
    if (!known) throw new Error("its numbers are not loaded yet");
    if (format === "csv" || format === "spreadsheet")
      return new Blob([profileCsv(info, known, format === "spreadsheet")], {
        type: "text/csv;charset=utf-8",
      });
    const style = drawingStyle(root, theme.peek());
    const drawing = page(drawGrid(info, known, values.peek(), domain.peek(), style), coloredBy(), style);
    return format === "png" ? pngOf(drawing) : new Blob([drawing], { type: "image/svg+xml;charset=utf-8" });
  }

  return () => {
    closing.abort();
    root.remove();
    sentence.place.remove();
  };
}

function withoutAgreement(what: ProfileInfo["what"]): string {
  return what !== "sentence"
    ? `A profile of ${what}s has neither agreement between heads nor a best set.`
    : "This profile has no agreement between heads: it was made with drawn=0.";
}

interface Wanted {
  name: string;
  head: Head;
}

function isFor<Found extends Wanted>(found: Found | null, { name, head }: Wanted): found is Found {
  return found !== null && found.name === name && sameHead(found.head, head);
}
