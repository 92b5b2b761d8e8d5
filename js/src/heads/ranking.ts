// The best and the worst heads by the chosen score, each a button that picks it.

import type { Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore, headName, seenName } from "../core/format";
import { sameHead } from "../core/picks";
import type { Ranked } from "../core/ranking";
import { oneTabStop } from "../core/tab_stop";

export interface RankingView {
  element: HTMLElement;
  show(ranked: readonly Ranked[] | null, picked: readonly Head[]): void;
}

const SHOWN = 4;

export function createRanking(
  events: { pick(head: Head, add: boolean): void },
  signal: AbortSignal,
): RankingView {
  const best = list("Best");
  const worst = list("Worst");
  const element = h("div", { class: "xattn-ranking" }, best.element, worst.element);
  const tabStop = oneTabStop(element, () => [...element.querySelectorAll("ol")].map(shownButtons), signal);

  function list(title: string) {
    const buttons = Array.from({ length: SHOWN }, () => {
      const rank = h("span", { class: "xattn-rank" });
      const name = h("span", { class: "xattn-rank-name" });
      const value = h("span", { class: "xattn-number" });
      const button = h(
        "button",
        { class: "xattn-ranked", attrs: { type: "button" } },
        rank,
        " ",
        name,
        " ",
        value,
      );
      const state: { entry: Ranked | null } = { entry: null };
      button.addEventListener(
        "click",
        (event) =>
          state.entry && events.pick(state.entry.head, event.shiftKey || event.ctrlKey || event.metaKey),
        { signal },
      );
      return { button, rank, name, value, state };
    });
    const items = buttons.map(({ button }) => h("li", {}, button));
    const element = h(
      "section",
      { attrs: { "aria-label": `${title} heads` } },
      h("div", { class: "xattn-label", text: `${title} heads` }),
      h("ol", {}, ...items),
    );
    return { element, buttons };
  }

  function fill(part: ReturnType<typeof list>, entries: readonly Ranked[], picked: readonly Head[]): void {
    part.buttons.forEach(({ button, rank, name, value, state }, i) => {
      const entry = entries[i] ?? null;
      state.entry = entry;
      button.style.visibility = entry ? "" : "hidden";
      if (!entry) return;
      const [layer, head] = entry.head;
      setText(rank, String(entry.rank));
      setText(name, `L${layer} H${head}`);
      setText(value, formatScore(entry.value));
      button.title = `${headName(layer, head)}, rank ${entry.rank}: ${formatScore(entry.value)}`;
      const seen = `${entry.rank} ${seenName(layer, head, formatScore(entry.value), button.title)}`;
      button.setAttribute("aria-label", seen);
      button.setAttribute("aria-pressed", String(picked.some((other) => sameHead(other, entry.head))));
    });
  }

  return {
    element,
    show(ranked, picked) {
      const count = ranked?.length ?? 0;
      // With few heads both lists would show the same ones.
      const length = Math.min(SHOWN, Math.max(1, Math.floor(count / 2)));
      fill(best, ranked?.slice(0, length) ?? [], picked);
      best.element.style.visibility = count > 0 ? "" : "hidden";
      worst.element.style.visibility = count > 1 ? "" : "hidden";
      fill(worst, count > 1 ? (ranked?.slice(-length).reverse() ?? []) : [], picked);
      tabStop.refresh();
    },
  };
}

function shownButtons(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll("button")].filter(({ style }) => style.visibility !== "hidden");
}
