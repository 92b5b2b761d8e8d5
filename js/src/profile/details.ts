// The picked head: its role in words, the distribution of every score, and the heads that it agrees with.
import type { Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { formatScore, headName, visibleText } from "../core/format";
import type { Theme } from "../core/theme";
import type { ProfileInfo, ProfileScore } from "./contract";
import { swatch } from "./legend";
import { agreeing, type Numbers, roleFill, roleName, roleOf, roleText } from "./numbers";
import { rangeOf, stripOf } from "./strip";

export interface DetailsProps {
  info: ProfileInfo;
  numbers: Numbers | null;
  head: Head;
  theme: Theme;
}

export interface DetailsView {
  element: HTMLElement;
  show(props: DetailsProps): void;
}

/** How many of the heads that agree are listed. */
const MOST = 5;

export function createDetails(events: { pick(head: Head): void }, signal: AbortSignal): DetailsView {
  const name = h("span");
  const role = h("span", { class: "xattn-profile-role" });
  const heading = h("h3", { class: "xattn-card-heading xattn-profile-head" }, name, role);
  const share = h("p", { class: "xattn-small xattn-profile-share" });
  const spoken = h("div", { class: "xattn-hidden", attrs: { role: "status" } });
  const body = h("tbody");
  const column = (text: string, title = "") =>
    h("th", { class: "xattn-column-name", text, title, attrs: { scope: "col" } });
  const table = h(
    "table",
    { class: "xattn-table xattn-statistics" },
    h("caption", { class: "xattn-hidden", text: "Statistics of the picked head over sentences" }),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        column("score"),
        column("mean"),
        column("spread", "standard deviation over sentences"),
        column("median"),
        column(
          "distribution",
          "line: 5% to 95% of the sentences; box: the middle half; bar: median; dot: mean. The same scale for all heads",
        ),
      ),
    ),
    body,
  );
  const scroller = h(
    "div",
    {
      class: "xattn-table-scroll xattn-statistics-scroll",
      attrs: { role: "region", tabindex: "0", "aria-label": "Statistics of scores" },
    },
    table,
  );
  const alike = h("div", { class: "xattn-alike" });
  const element = h("div", { class: "xattn-profile-details" }, heading, share, scroller, alike, spoken);
  const ranges = new WeakMap<Numbers, Map<string, [number, number] | null>>();

  alike.addEventListener(
    "click",
    (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button) events.pick([Number(button.dataset.layer), Number(button.dataset.head)]);
    },
    { signal },
  );

  /** The range of a score over all heads, found once. */
  function rangeFor({ info }: DetailsProps, numbers: Numbers, score: string): [number, number] | null {
    const known = ranges.get(numbers) ?? new Map<string, [number, number] | null>();
    ranges.set(numbers, known);
    if (!known.has(score)) known.set(score, rangeOf(info, numbers, score));
    return known.get(score) ?? null;
  }

  function line(props: DetailsProps, numbers: Numbers, score: ProfileScore): HTMLElement {
    const { levels } = props.info;
    const spread = numbers.spread(score.name, props.head);
    const median = spread.quantiles[levels.indexOf(0.5)] ?? null;
    const number = (value: number | null) => h("td", { text: value === null ? "–" : formatScore(value) });
    return h(
      "tr",
      {},
      h("th", {
        text: visibleText(score.name),
        title: visibleText(score.description),
        attrs: { scope: "row" },
      }),
      number(spread.mean),
      number(spread.std),
      number(median),
      h("td", {}, stripOf(spread, levels, rangeFor(props, numbers, score.name))),
    );
  }

  function group(label: string, rows: HTMLElement[]): HTMLElement[] {
    const heading = h("th", {
      class: "xattn-muted",
      text: label,
      attrs: { colspan: "5", scope: "colgroup" },
    });
    return rows.length > 0 ? [h("tr", { class: "xattn-statistics-group" }, heading), ...rows] : [];
  }

  function listAlike({ info, head }: DetailsProps, numbers: Numbers): void {
    const found = agreeing(info, numbers, head).slice(0, MOST);
    alike.hidden = found.length === 0;
    alike.replaceChildren(
      h("span", { class: "xattn-label", text: "Agrees most with" }),
      ...found.map(({ head: [layer, other], value }) =>
        h("button", {
          class: "xattn-button xattn-small",
          text: `L${layer} H${other} ${value.toFixed(2)}`,
          title: `${headName(layer, other)}: ${value.toFixed(3)} of 1`,
          attrs: { type: "button", "data-layer": String(layer), "data-head": String(other) },
        }),
      ),
    );
  }

  return {
    element,
    show(props) {
      const { info, numbers, head, theme } = props;
      const found = roleOf(info, head);
      setText(name, `Layer ${head[0]}, head ${head[1]}`);
      role.replaceChildren(swatch(roleFill(info, found, theme.dark)), roleName(info, found));
      const words = numbers ? roleText(info, numbers, head) : "";
      setText(share, words);
      share.title = info.roles[found]?.description ?? "";
      if (!numbers) return;
      setText(spoken, `${headName(...head)}: ${roleName(info, found)}. ${words}`);
      const rows = (rules: boolean) =>
        info.scores.filter(({ role }) => (role !== "") === rules).map((score) => line(props, numbers, score));
      body.replaceChildren(
        ...group("scores", rows(false)),
        ...group("shares of rows that follow a rule", rows(true)),
      );
      listAlike(props, numbers);
    },
  };
}
