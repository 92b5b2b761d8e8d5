// The scores of all sentences, requested one after another in the background, and the values of the grid over them.
import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import { NO_ANSWER } from "./constants";
import type { Over, ScoreInfo, SentenceInfo } from "./contract";
import { errorText } from "./errands";
import type { Loader, Sources } from "./loader";
import { createMoments, type Grid, type Moments } from "./moments";
import type { Subject } from "./picks";
import { shownRows } from "./scored_rows";
import { firstEntries, modelKey } from "./sentences";

/** The scores of a sentence, or why there are none. */
export type Outcome = { values: Grid } | { error: string };

/** What is known so far. */
export interface Progress {
  /** By the index of the sentence's first entry. */
  outcomes: ReadonlyMap<number, Outcome>;
  /** Of the sentences that are wanted. */
  done: number;
  total: number;
}

/** The values of the grid of heads. */
export interface GridValues {
  /** "sentence" where there is only one sentence, whatever the setting says. */
  over: Over;
  /** The score's name, with "mean" or "spread of" before it. */
  name: string;
  /** Null while nothing is known. */
  values: Grid | null;
  /** The error that left the grid without values; "" if there was none, also while the values are being computed. */
  failure: string;
  /** How many sentences the values cover so far, and how many they will. */
  done: number;
  total: number;
  /** How many of them have no scores. */
  failed: number;
}

export interface Survey {
  progress: ReadonlySignal<Progress>;
  grid: ReadonlySignal<GridValues>;
  /** How many sentences the grid can be taken over: those of the shown sentence's model. */
  peers: ReadonlySignal<number>;
  /** Reads the scores of a sentence, which may be known already. */
  read(entry: number): Promise<Outcome>;
}

/** The scores of one model's sentences, added up. */
interface Tally {
  moments: Moments;
  done: number;
  failed: number;
  error: string;
}

/** Everything known about one score. */
interface Ledger {
  name: string;
  /** Which rows it is computed on. */
  rows: string;
  list: readonly ScoreInfo[];
  outcomes: Map<number, Outcome>;
  tallies: Map<string, Tally>;
}

/** Milliseconds between steps of progress, and of work without a pause for the page. */
const STEP = 150;
const WORK = 8;
const PREFIX = { sentence: "", mean: "mean ", spread: "spread of " };
const NOTHING: readonly number[] = [];

export function followSurvey(
  { data, store, errands, frames, connection }: Sources,
  subject: Subject,
  loader: Pick<Loader, "scores" | "failure">,
): Survey {
  const entries = computed(() => store.get("info").sentences);
  const firsts = computed(() => firstEntries(entries.value));
  const model = computed(() => keyOf(entries.value[subject.pick().sentence]));
  const peers = computed(() => firsts.value.filter((entry) => keyOf(entries.value[entry]) === model.value));
  const over = computed((): Over => (peers.value.length > 1 ? store.get("over") : "sentence"));
  const wanted = computed(() => {
    if (store.get("panel") === "sentences") return firsts.value;
    return over.value === "sentence" ? NOTHING : peers.value;
  });
  const rows = computed(() => `${store.get("as_shown")} ${store.get("special")} ${store.get("reading")}`);
  let ledger = createLedger("", "", []);
  const progress = signal<Progress>({ outcomes: ledger.outcomes, done: 0, total: 0 });
  const errand = errands.add({ quiet: true, retry: refresh });

  function read(entry: number, name: string): Promise<Outcome> {
    return data.scores(entry, name, shownRows(store, entry, name)).then(
      ({ values }): Outcome => ({ values }),
      (error: unknown): Outcome => ({ error: errorText(error) }),
    );
  }

  function refresh(): void {
    const [name, list] = [store.get("score_name"), store.get("score_list")];
    // A new list: the user may have redefined the score.
    if (ledger.name !== name || ledger.rows !== rows.value || ledger.list !== list)
      ledger = createLedger(name, rows.value, list);
    void collect(wanted.value, entries.value, ledger);
  }

  async function collect(
    numbers: readonly number[],
    infos: readonly SentenceInfo[],
    into: Ledger,
  ): Promise<void> {
    const run = errand.start();
    errand.settle(null);
    let [shown, busy] = [0, 0];
    const show = () => {
      const done = numbers.reduce((count, entry) => count + Number(into.outcomes.has(entry)), 0);
      progress.value = { outcomes: into.outcomes, done, total: numbers.length };
      shown = performance.now();
    };
    show();
    for (const entry of numbers) {
      if (into.outcomes.has(entry)) continue;
      const started = performance.now();
      const outcome = await read(entry, into.name);
      if (run.aborted) return;
      const isLost = connection.line.peek() === "closed";
      if ("error" in outcome && (isLost || outcome.error.includes(NO_ANSWER))) {
        errand.settle(`The scores of all sentences could not be read: ${outcome.error}`);
        break;
      }
      record(into, entry, infos[entry], outcome);
      const now = performance.now();
      if (now - shown > STEP) show();
      // Answers that come at once, as those of a page without a kernel do, would keep the page from drawing.
      busy = now - started < WORK / 2 ? busy + now - started : 0;
      if (busy > WORK) {
        busy = 0;
        await new Promise((resolve) => setTimeout(resolve));
        if (run.aborted) return;
      }
    }
    show();
  }

  const grid = computed((): GridValues => {
    const total = peers.value.length;
    const named = { over: over.value, name: `${PREFIX[over.value]}${store.get("score_name")}` };
    if (over.value === "sentence")
      return {
        ...named,
        values: loader.scores.value?.values ?? null,
        failure: loader.failure.value,
        ...{ done: 1, total: 1, failed: 0 },
      };
    void progress.value;
    const tally = ledger.tallies.get(model.value) ?? createTally();
    const { done, failed, error, moments } = tally;
    const values = over.value === "mean" ? moments.mean() : moments.spread();
    return {
      ...named,
      values: done > failed ? values : null,
      failure: failed > 0 && failed === total ? `no sentence has this score: ${error}` : "",
      ...{ done, total, failed },
    };
  });

  frames.follow(refresh);
  return {
    progress,
    grid,
    peers: computed(() => peers.value.length),
    read: async (entry) => {
      const name = store.get("score_name");
      return (
        (ledger.name === name && ledger.rows === rows.value ? ledger.outcomes.get(entry) : undefined) ??
        read(entry, name)
      );
    },
  };
}

function keyOf(entry: SentenceInfo | undefined): string {
  return entry ? modelKey(entry) : "";
}

function createLedger(name: string, rows: string, list: readonly ScoreInfo[]): Ledger {
  return { name, rows, list, outcomes: new Map(), tallies: new Map() };
}

function createTally(): Tally {
  return { moments: createMoments(), done: 0, failed: 0, error: "" };
}

function record(
  { outcomes, tallies }: Ledger,
  entry: number,
  info: SentenceInfo | undefined,
  outcome: Outcome,
): void {
  outcomes.set(entry, outcome);
  const tally = tallies.get(keyOf(info)) ?? createTally();
  tallies.set(keyOf(info), tally);
  tally.done += 1;
  if ("values" in outcome) tally.moments.add(outcome.values);
  else {
    tally.failed += 1;
    tally.error ||= outcome.error;
  }
}
