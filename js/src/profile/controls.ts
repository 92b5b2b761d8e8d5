// What colors the grid: the roles, or a statistic of a score; and what it means.
import { h, setText } from "../core/dom";
import { directionText, visibleText } from "../core/format";
import type { ProfileInfo, ProfileScore, Statistic } from "./contract";
import { statisticName } from "./numbers";

export interface ControlsView {
  element: HTMLElement;
  about: HTMLElement;
  show(info: ProfileInfo, name: string, statistic: Statistic): void;
}

export function createControls(
  events: { score(name: string): void; statistic(statistic: Statistic): void },
  signal: AbortSignal,
): ControlsView {
  const score = h("select");
  const statistic = h("select");
  const field = (label: string, control: HTMLElement) =>
    h("label", { class: "xattn-field" }, h("span", { class: "xattn-label", text: label }), control);
  const of = field("Value", statistic);
  const element = h("div", { class: "xattn-corpus-controls" }, field("Heads colored by", score), of);
  const meaning = h("div");
  const signature = h("div", { class: "xattn-signature" });
  const about = h("div", { class: "xattn-corpus-about xattn-small" }, meaning, signature);
  let listed: ProfileInfo | null = null;
  let statistics: Statistic[] = [];

  // By their places: a score may have any name.
  let names: string[] = [];
  score.addEventListener("change", () => events.score(names[score.selectedIndex] ?? ""), { signal });
  statistic.addEventListener(
    "change",
    () => events.statistic(statistics[statistic.selectedIndex] ?? "mean"),
    {
      signal,
    },
  );

  function list(info: ProfileInfo): void {
    if (listed === info) return;
    listed = info;
    const rules = info.scores.filter(({ role }) => role !== "");
    const others = info.scores.filter(({ role }) => role === "");
    names = ["", ...others.map(({ name }) => name), ...rules.map(({ name }) => name)];
    const option = ({ name, description }: ProfileScore) =>
      h("option", { text: visibleText(name), title: visibleText(description) });
    const group = (label: string, scores: ProfileScore[]) =>
      scores.length > 0 ? [h("optgroup", { attrs: { label } }, ...scores.map(option))] : [];
    score.replaceChildren(
      h("option", { text: "role" }),
      ...group("scores", others),
      ...group("shares of rows that follow a rule", rules),
    );
    statistics = ["mean", "std", ...info.levels];
    statistic.replaceChildren(...statistics.map((entry) => h("option", { text: statisticName(entry) })));
  }

  return {
    element,
    about,
    show(info, name, shown) {
      list(info);
      score.selectedIndex = names.indexOf(name);
      statistic.selectedIndex = statistics.indexOf(shown);
      of.hidden = name === "";
      const found = info.scores.find((entry) => entry.name === name);
      const words = found ? [found.description, shown === "std" ? "" : directionText(found)] : [ROLES];
      setText(meaning, words.filter(Boolean).map(visibleText).join(" "));
      setText(signature, found ? visibleText(found.signature) : "");
    },
  };
}

const ROLES = "The role of a head is what most of its rows do, over all sentences.";
