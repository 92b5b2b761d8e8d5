// What the picked head does: its role, the distribution of every score, where it is strongest, and whom it agrees with.
import type { Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore, headName, seenName, visibleText } from "../core/format";
import type { ProfileInfo, ProfileScore } from "./contract";
import { swatch } from "./legend";
import { agreeing, type Numbers, percent, roleFill, roleOf, roleText } from "./numbers";
import { rangeOf, stripOf } from "./strip";

export interface CardProps {
  info: ProfileInfo;
  numbers: Numbers;
  head: Head;
  /** The score that colors the grid; "" for the roles. */
  shown: string;
  dark: boolean;
}

export interface CardView {
  element: HTMLElement;
  show(props: CardProps): void;
}

/** How many of the heads that agree most are listed. */
const AGREEING = 5;

export function createCard(
  events: { pick(head: Head): void; score(name: string): void },
  /** The list of sentences, which has its place in the card. */
  sentences: HTMLElement,
  signal: AbortSignal,
): CardView {
  const name = h("h3", { class: "xattn-head-card-name" });
  const role = h("span", { class: "xattn-head-card-role" });
  const words = h("p", { class: "xattn-head-card-words" });
  const scores = h("div", { class: "xattn-head-card-part" });
  const rules = h("div", { class: "xattn-head-card-part" });
  const others = h("div", { class: "xattn-head-card-part" });
  const element = h(
    "section",
    { class: "xattn-head-card", attrs: { "aria-label": "The picked head" } },
    h("div", { class: "xattn-head-card-head", attrs: { "aria-live": "polite" } }, name, role, words),
    scores,
    sentences,
    rules,
    others,
  );
  /** Whether the distributions of the rules are open, which stays so for the next head. */
  let isOpen = false;
  const ranges = new WeakMap<Numbers, Map<string, [number, number] | null>>();

  element.addEventListener(
    "click",
    (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("button") : null;
      const { score, layer, head } = button?.dataset ?? {};
      if (score !== undefined) events.score(score);
      else if (layer !== undefined) events.pick([Number(layer), Number(head)]);
    },
    { signal },
  );

  function rangeFor({ info, numbers }: CardProps, score: string): [number, number] | null {
    const known = ranges.get(numbers) ?? new Map<string, [number, number] | null>();
    ranges.set(numbers, known);
    if (!known.has(score)) known.set(score, rangeOf(info, numbers, score));
    return known.get(score) ?? null;
  }

  function scoreTable(props: CardProps, listed: readonly ProfileScore[], caption: string): HTMLElement {
    const { info, numbers, head, shown } = props;
    const column = (text: string, title: string) =>
      h("th", { class: "xattn-column-name", text, title, attrs: { scope: "col" } });
    const rows = listed.map(({ name: score, description }) => {
      const spread = numbers.spread(score, head);
      const button = h("button", {
        text: visibleText(score),
        title: `${visibleText(description)} Color the heads by it.`.trim(),
        attrs: { type: "button", "data-score": score, "aria-pressed": String(score === shown) },
      });
      return h(
        "tr",
        { class: score === shown ? "xattn-picked-row" : "" },
        h("th", { attrs: { scope: "row" } }, button),
        h("td", { text: formatScore(spread.mean) }),
        h("td", { text: spread.mean === null ? "–" : `± ${formatScore(spread.std)}` }),
        h("td", {}, stripOf(spread, info.levels, rangeFor(props, score))),
      );
    });
    const columns = h(
      "tr",
      {},
      column("score", "Click one to color the heads by it"),
      column("mean", "Mean over sentences"),
      column("spread", "Standard deviation over sentences"),
      column("over sentences", "Line: 5% to 95% quantile; box: the middle half; bar: median; dot: mean"),
    );
    return h(
      "table",
      { class: "xattn-table xattn-head-card-table" },
      h("caption", { class: "xattn-hidden", text: caption }),
      h("thead", {}, columns),
      h("tbody", {}, ...rows),
    );
  }

  function ruleList({ info, numbers, head, dark }: CardProps): HTMLElement {
    return h(
      "ul",
      { class: "xattn-rules", attrs: { "aria-label": "Shares of rows that follow the rules of the roles" } },
      ...info.roles.map(({ name: rule, least, description }, index) => {
        const share = numbers.share(index, head);
        const fill = h("span", { class: "xattn-bar-fill" });
        fill.style.width = `${100 * (share ?? 0)}%`;
        const tick = h("i", { class: "xattn-rule-least" });
        tick.style.left = `${100 * least}%`;
        const bar = h(
          "span",
          { class: "xattn-rule-bar", attrs: { "aria-hidden": "true" } },
          h("span", { class: "xattn-bar" }, fill),
          tick,
        );
        return h(
          "li",
          { title: `${description} A head has this role from ${percent(least)}.` },
          swatch(roleFill(info, index, dark)),
          h("span", { text: rule }),
          bar,
          h("span", { class: "xattn-number", text: percent(share) }),
        );
      }),
    );
  }

  function headButton([layer, head]: Head, value: number): HTMLElement {
    const text = value.toFixed(2);
    return h("button", {
      class: "xattn-other-head",
      text: `L${layer} H${head} ${text}`,
      attrs: {
        type: "button",
        "data-layer": String(layer),
        "data-head": String(head),
        "aria-label": seenName(layer, head, text, headName(layer, head)),
      },
    });
  }

  return {
    element,
    show(props) {
      const { info, numbers, head, dark } = props;
      const fill = roleFill(info, roleOf(info, head), dark);
      setText(name, `Layer ${head[0]}, head ${head[1]}`);
      role.replaceChildren(swatch(fill), fill.name);
      const best = info.head_set?.heads.find((other) => other.layer === head[0] && other.head === head[1]);
      const reading = best?.reading === "output" ? "written" : "read";
      const inSet = best ? ` In the best set for alignment, by the token ${reading}.` : "";
      setText(words, `${roleText(info, numbers, head)}${inSet}`);
      const own = info.scores.filter((score) => score.role === "");
      scores.hidden = own.length === 0;
      scores.replaceChildren(
        heading("Scores"),
        scoreTable(props, own, "Scores of the picked head over sentences"),
      );
      const more = h(
        "details",
        { class: "xattn-details" },
        h("summary", { text: "Shares of single sentences" }),
        scoreTable(
          props,
          info.scores.filter((score) => score.role !== ""),
          "Shares of the rules over sentences",
        ),
      );
      more.open = isOpen;
      more.addEventListener("toggle", () => {
        isOpen = more.open;
      });
      rules.replaceChildren(heading("Rules of the roles, by share of rows"), ruleList(props), more);
      const similar = agreeing(info, numbers, head);
      others.hidden = similar.length === 0;
      const last = similar[similar.length - 1];
      others.replaceChildren(
        heading("Agrees most with"),
        h(
          "div",
          { class: "xattn-others" },
          ...similar.slice(0, AGREEING).map((other) => headButton(other.head, other.value)),
        ),
        ...(last && similar.length > AGREEING
          ? [
              heading("and least with"),
              h("div", { class: "xattn-others" }, headButton(last.head, last.value)),
            ]
          : []),
      );
    },
  };
}

export function heading(text: string): HTMLElement {
  return h("h4", { class: "xattn-head-card-heading", text });
}
