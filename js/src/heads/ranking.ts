// The heads with the highest and the lowest values of the chosen score, each a button that picks it.

import type { Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore, headName, seenName } from "../core/format";
import { sameHead } from "../core/picks";
import { followPointing } from "../core/pointing";
import { countDefined, isFlat, lowestFirst, type Ranked, rankText } from "../core/ranking";
import { oneTabStop } from "../core/tab_stop";

export interface RankingView {
  element: HTMLElement;
  show(ranked: readonly Ranked[] | null, picked: readonly Head[]): void;
}

export interface RankingEvents {
  pick(head: Head, add: boolean): void;
  /** A head is pointed at; null for none. */
  point(head: Head | null): void;
}

const SHOWN = 4;

export function createRanking(events: RankingEvents, signal: AbortSignal): RankingView {
  const entries = new WeakMap<Element, Ranked>();
  const highest = list("Highest");
  const lowest = list("Lowest");
  const flat = h("p", { class: "xattn-flat" });
  const element = h("div", { class: "xattn-ranking" }, highest.element, lowest.element, flat);

  function entryAt(target: EventTarget | null): Ranked | null {
    const button = target instanceof Element ? target.closest("button") : null;
    return (button && entries.get(button)) ?? null;
  }

  element.addEventListener(
    "click",
    (event) => {
      const entry = entryAt(event.target);
      if (entry) events.pick(entry.head, event.shiftKey || event.ctrlKey || event.metaKey);
    },
    { signal },
  );
  followPointing(element, (target) => entryAt(target)?.head ?? null, events.point, signal);
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
      return { button, rank, name, value };
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

  function fill(part: ReturnType<typeof list>, shown: readonly Ranked[], picked: readonly Head[]): void {
    part.buttons.forEach(({ button, rank, name, value }, i) => {
      const entry = shown[i];
      if (entry) entries.set(button, entry);
      else entries.delete(button);
      button.style.visibility = entry ? "" : "hidden";
      if (!entry) return;
      const [layer, head] = entry.head;
      const [place, number] = [rankText(entry), formatScore(entry.value)];
      setText(rank, place);
      setText(name, `L${layer} H${head}`);
      setText(value, number);
      button.title = `${headName(layer, head)}, rank ${place}: ${number}`;
      button.setAttribute("aria-label", `${place} ${seenName(layer, head, number, button.title)}`);
      button.setAttribute("aria-pressed", String(picked.some((other) => sameHead(other, entry.head))));
    });
  }

  return {
    element,
    show(ranked, picked) {
      const count = countDefined(ranked ?? []);
      const isEqual = ranked !== null && isFlat(ranked);
      // With few heads both lists would show the same ones.
      const length = Math.min(SHOWN, Math.max(1, Math.floor(count / 2)), count);
      fill(highest, ranked?.slice(0, length) ?? [], picked);
      fill(lowest, count > 1 && ranked ? lowestFirst(ranked).slice(0, length) : [], picked);
      for (const { element } of [highest, lowest]) element.hidden = isEqual;
      highest.element.style.visibility = count > 0 ? "" : "hidden";
      lowest.element.style.visibility = count > 1 ? "" : "hidden";
      flat.hidden = !isEqual;
      setText(flat, isEqual ? `All heads are equal: ${formatScore(ranked[0]?.value)}` : "");
      tabStop.refresh();
    },
  };
}

function shownButtons(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll("button")].filter(({ style }) => style.visibility !== "hidden");
}
