// A scored corpus: what to rank by, how it is spread, the list of sentences, and the panel of the one that is open.
import { computed, signal as value } from "@preact/signals-core";
import { createAlert } from "../core/alert";
import { createAsking } from "../core/asking";
import { h, setText } from "../core/dom";
import { createErrands } from "../core/errands";
import { visibleText } from "../core/format";
import { createFrames } from "../core/frames";
import type { HostedModel } from "../core/model";
import { createStore } from "../core/store";
import { followLooks } from "../core/theme";
import { createTransport } from "../core/transport";
import { keepKeys, mountPanel } from "../panel";
import type {
  CorpusInfo,
  CorpusRequest,
  CorpusTraits,
  DistributionReply,
  Query,
  RowsReply,
  ValuesReply,
} from "./contract";
import { createControls } from "./controls";
import { createDistribution, type Distribution } from "./distribution";
import { createList } from "./list";
import { formatCount, formatValue, rankedName } from "./numbers";
import { createSentence } from "./sentence";

/** Returns a function that takes everything down again. */
export function mountCorpus(model: HostedModel, host: HTMLElement): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  const { what } = model.get("info") as CorpusInfo;
  const root = h("section", {
    class: "xattn xattn-corpus",
    // JupyterLab takes keys before they reach the view, unless an element asks for them.
    attrs: { "aria-label": `Scored ${what}s`, "data-lm-suppress-shortcuts": "true" },
  });
  host.append(root);
  const store = createStore<CorpusTraits>(model, signal);
  const transport = createTransport<CorpusRequest>(model, signal, 120_000);
  const frames = createFrames(() => root.clientWidth > 0, signal);
  const { theme, size } = followLooks(root, store, frames, signal);
  const errands = createErrands(signal);

  const findQuantity = (name: string) => store.get("info").quantities.find((entry) => entry.name === name);
  const quantity = computed(() => findQuantity(store.get("score_name")));
  const head = computed(() => (quantity.value?.per_head ? store.get("head") : null));
  const query = computed<Query>(() => ({
    score_name: store.get("score_name"),
    head: head.value,
    lowest_first: store.get("lowest_first"),
    search: store.get("search"),
  }));
  const rows = value<(RowsReply & { query: Query }) | null>(null);
  const distribution = value<(Distribution & { name: string }) | null>(null);
  const open = value<ValuesReply["values"] | null>(null);

  // --- What the kernel is asked.

  const asking = createAsking(transport, errands);
  const askRows = asking<Extract<CorpusRequest, { kind: "rows" }>>(
    `The ${what}s could not be listed`,
    ({ content }, { query }) => {
      rows.value = { ...(content as unknown as RowsReply), query };
    },
  );
  const askDistribution = asking<Extract<CorpusRequest, { kind: "distribution" }>>(
    "The distribution could not be read",
    ({ content, buffers: [buffer] }, { name }) => {
      const counts = buffer ? readCounts(buffer) : new Uint32Array();
      distribution.value = { name, reply: content as unknown as DistributionReply, counts };
    },
  );
  const askValues = asking<Extract<CorpusRequest, { kind: "values" }>>(
    `The values of the open ${what} could not be read`,
    ({ content }) => {
      open.value = (content as unknown as ValuesReply).values;
    },
  );

  frames.watch(() => askDistribution({ kind: "distribution", name: store.get("score_name") }));
  let asked: Query | null = null;
  frames.watch(() => {
    const [next, row] = [query.value, store.get("row")];
    // A row that was opened here is listed already. One that Python opened is looked for.
    const known = asked !== null && rows.peek()?.rows.some((entry) => entry.row === row);
    if (asked === next && (row === null || known)) return;
    // Another ranking begins with its first rows, wherever the open one is now.
    askRows({ kind: "rows", query: next, start: 0, row: asked === null || asked === next ? row : null });
    asked = next;
  });
  frames.watch(() => {
    const row = store.get("row");
    open.value = null;
    if (row !== null && quantity.value?.per_head)
      askValues({ kind: "values", name: quantity.value.name, row });
  });

  // --- What is shown.

  const model_ = h("span", { class: "xattn-model" });
  const header = h(
    "header",
    { class: "xattn-header" },
    h("span", { class: "xattn-title", text: `Scored ${what}s` }),
    model_,
  );
  const notice = h("div", { class: "xattn-small xattn-corpus-notice" });
  const controls = createControls(
    {
      rank: ({ name, lowest_first }) => store.set({ score_name: name, lowest_first }),
      order: (lowest_first) => store.set({ lowest_first }),
      search: (search) => store.set({ search }),
    },
    signal,
  );
  const spread = createDistribution(what, { rank: (head) => store.set({ head }) }, signal);
  const list = createList(
    what,
    {
      open: (row) => store.set({ row }),
      page: (start) => askRows({ kind: "rows", query: query.peek(), start, row: null }),
    },
    signal,
  );
  const sentence = createSentence(what, model, mountPanel, { close: () => store.set({ row: null }) }, signal);
  const alert = createAlert(errands, frames, signal);
  root.append(
    header,
    notice,
    controls.element,
    controls.about,
    spread.element,
    alert,
    list.element,
    sentence.bar,
  );
  host.append(sentence.place);
  keepKeys({ root, signal });

  frames.draw(() => {
    const info = store.get("info");
    const shape = info.layers ? `${info.layers} × ${info.heads} heads` : "";
    const parts = [info.model, shape, `${formatCount(info.rows)} rows`];
    setText(model_, parts.filter((part) => part !== "").join(" · "));
    setText(notice, info.notice);
    notice.hidden = info.notice === "";
  });
  frames.draw(() =>
    controls.show({
      quantities: store.get("info").quantities,
      name: store.get("score_name"),
      head: store.get("head"),
      lowestFirst: store.get("lowest_first"),
      search: store.get("search"),
    }),
  );
  /** The open row where it is listed. */
  const opened = () => rows.value?.rows.find((entry) => entry.row === store.get("row"));
  /** The value of the open row by a quantity without heads. */
  function openValue(): (number | null)[][] | null {
    const found = opened()?.value;
    return typeof found === "number" ? [[found]] : null;
  }
  /** What the open row is ranked by: the panel below scores the heads picked there. */
  function rankedText(): string {
    const found = opened();
    if (!rows.value || !found) return "";
    const { score_name, head } = rows.value.query;
    const by = findQuantity(score_name)?.per_head ? `, ${rankedName(head)}` : "";
    return `${visibleText(score_name)}${by}: ${formatValue(found.value)}`;
  }
  frames.draw(() => {
    void size.value;
    const found = distribution.value;
    spread.show({
      name: store.get("score_name"),
      perHead: quantity.value?.per_head ?? false,
      distribution: found?.name === store.get("score_name") ? found : null,
      head: head.value,
      open: quantity.value?.per_head ? open.value : openValue(),
      theme: theme.value,
      width: spread.element.clientWidth,
    });
  });
  frames.draw(() => {
    const { logprob, page, errors } = store.get("info");
    const name = rows.value?.query.score_name ?? store.get("score_name");
    list.show({
      reply: rows.value,
      name,
      logprob: logprob === name ? null : logprob,
      page,
      open: store.get("row"),
      search: store.get("search"),
      errors,
    });
  });
  frames.watch(() => sentence.show(store.get("row"), store.get("_open") ?? {}, rankedText()));

  return () => {
    closing.abort();
    root.remove();
    sentence.place.remove();
  };
}

function readCounts(view: DataView): Uint32Array {
  return Uint32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getUint32(4 * i, true));
}
