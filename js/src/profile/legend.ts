// What the colors of the grid mean: the roles with the numbers of their heads, or the range of a score.
import { h, setText } from "../core/dom";
import { formatScore } from "../core/format";
import type { Domain } from "../core/scales";
import type { Theme } from "../core/theme";
import type { Fill } from "../heads/grid";
import { createMarkLegend, type Marked } from "../heads/marked";
import type { ProfileInfo } from "./contract";
import { bestSetText, roleCounts, roleFill } from "./numbers";

export interface LegendProps {
  info: ProfileInfo;
  /** The range of the shown score; null for the roles, or where no head has a value. */
  domain: Domain | null;
  showsRoles: boolean;
  theme: Theme;
  marked: readonly Marked[];
}

export interface LegendView {
  element: HTMLElement;
  show(props: LegendProps): void;
}

export function createLegend(): LegendView {
  const low = h("span", { class: "xattn-number" });
  const high = h("span", { class: "xattn-number" });
  const bar = h("span", { class: "xattn-ramp", attrs: { "aria-hidden": "true" } });
  const range = h("div", { class: "xattn-legend" }, low, bar, high);
  const roles = h("ul", { class: "xattn-role-legend xattn-small", attrs: { "aria-label": "Roles" } });
  const marks = createMarkLegend();
  const best = h("div", { class: "xattn-small xattn-best-set" });
  const element = h("div", { class: "xattn-profile-legend" }, range, roles, marks.element, best);
  return {
    element,
    show({ info, domain, showsRoles, theme, marked }) {
      range.hidden = showsRoles;
      roles.hidden = !showsRoles;
      bar.style.backgroundImage = theme.ramp.gradient;
      setText(low, domain ? formatScore(domain.low) : "–");
      setText(high, domain ? formatScore(domain.high) : "–");
      roles.replaceChildren(
        ...roleCounts(info).map(({ role, count }) => {
          const fill = roleFill(info, role, theme.dark);
          return h(
            "li",
            {},
            swatch(fill),
            `${fill.name} `,
            h("span", { class: "xattn-muted", text: String(count) }),
          );
        }),
      );
      marks.show(marked);
      setText(best, info.head_set ? `Best set for alignment: ${bestSetText(info.head_set)}` : "");
    },
  };
}

/** The color of a role with its letter. */
export function swatch({ color, ink, letter }: Fill): HTMLElement {
  const element = h("span", { class: "xattn-role-swatch", text: letter, attrs: { "aria-hidden": "true" } });
  element.style.backgroundColor = color;
  element.style.color = ink;
  return element;
}
