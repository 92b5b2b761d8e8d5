// The comparison over pictures: which word, the three pictures, and what is known of a patch.
import { h } from "../core/dom";
import { formatDifference, formatWeight, tokenText } from "../core/format";
import { differenceRamp, overlayGradient } from "../core/picture/heat";
import { countedUnits } from "../core/picture/rows";
import type { Whole } from "../core/picture/whole";
import { type Scene, unitName } from "../core/scene";
import type { Theme } from "../core/theme";
import { createPicturePane, type PicturePane } from "./picture_pane";
import type { Pictured } from "./pictured";

export interface PicturesProps {
  scene: Scene;
  pictured: Pictured;
  opacity: number;
  theme: Theme;
}

export interface Pictures {
  /** Chooses the word. */
  field: HTMLElement;
  /** The element of one of the three pictures. */
  pane(index: number, name: string): HTMLElement;
  /** Draws them; says of each whether it has something to show. */
  show(props: PicturesProps): boolean[];
  /** The colors of weights and of differences. */
  gradients(): { weights: string; differences: string };
}

export const PICTURE_HINT = "Point at a patch to see its weight in A and in B.";

export function createPictures(
  choose: (unit: number | null) => void,
  say: (text: string) => void,
  signal: AbortSignal,
): Pictures {
  const select = h("select", { attrs: { "aria-label": "Word" } });
  select.addEventListener("change", () => choose(select.value === "" ? null : Number(select.value)), {
    signal,
  });
  const field = h(
    "label",
    { class: "xattn-field" },
    h("span", { class: "xattn-label", text: "Word" }),
    select,
  );
  const panes: PicturePane[] = [];
  let listed: Scene["target"] | null = null;
  let props: PicturesProps | null = null;

  function fill(scene: Scene): void {
    if (listed === scene.target) return;
    listed = scene.target;
    const counted = countedUnits(scene);
    const all = h("option", {
      text: `the mean of ${counted.length} ${unitName(scene, counted.length)}`,
      attrs: { value: "" },
    });
    const each = scene.target.labels.map((label, unit) =>
      h("option", { text: tokenText(label), attrs: { value: String(unit), dir: "auto" } }),
    );
    select.replaceChildren(all, ...each);
  }

  /** The patch of each picture at a patch of one of them. */
  function samePatches(index: number, patch: number): number[] {
    const difference = props?.pictured.difference;
    if (patch < 0) return [-1, -1, -1];
    if (!difference) return [0, 1, 2].map((other) => (other === index ? patch : -1));
    const first = index === 1 ? difference.second.indexOf(patch) : patch;
    return [first, index === 1 ? patch : (difference.second[patch] ?? -1), first];
  }

  function point(index: number, patch: number): void {
    const patches = samePatches(index, patch);
    panes.forEach((pane, i) => {
      pane.point(patches[i] ?? -1);
    });
    say(props && patch >= 0 ? describe(props.pictured, patches) : PICTURE_HINT);
  }

  return {
    field,
    pane(index, name) {
      const label =
        index < 2 ? `Picture with the weights of ${name}` : "Picture with the difference of A and B";
      const pane = createPicturePane(label, (patch) => point(index, patch), signal);
      panes[index] = pane;
      return pane.element;
    },
    show(next) {
      props = next;
      fill(next.scene);
      select.value = next.pictured.unit === null ? "" : String(next.pictured.unit);
      return panes.map((pane, index) => {
        const whole = wholeOf(next.pictured, index, next.opacity, next.theme);
        if (whole) pane.show(whole);
        return whole !== null;
      });
    },
    gradients() {
      const picture = props?.pictured.sides[0].picture;
      const onDark = picture?.dark ?? props?.theme.dark ?? false;
      return {
        weights: overlayGradient(onDark, props?.opacity ?? 1),
        differences: differenceRamp(onDark).gradient,
      };
    },
  };
}

/** What one of the three pictures shows; null for nothing. The difference is drawn over the picture of the first. */
export function wholeOf(pictured: Pictured, index: number, opacity: number, theme: Theme): Whole | null {
  const { sides, values, top, difference } = pictured;
  const side = sides[index === 1 ? 1 : 0];
  const shown = index < 2 ? values[index] : difference?.values;
  if (!shown) return null;
  const limit = index < 2 ? top : (difference?.top ?? 0);
  const onDark = side.picture?.dark ?? theme.dark;
  return { ...side, values: shown, kind: index < 2 ? "weights" : "differences", top: limit, opacity, onDark };
}

function describe({ sides, values }: Pictured, [one = -1, other = -1]: readonly number[]): string {
  const rect = sides[0].patches.rects[one] ?? sides[1].patches.rects[other];
  if (!rect) return PICTURE_HINT;
  const [left, top, right, bottom] = [rect.left, rect.top, rect.right, rect.bottom].map(Math.round);
  const [a, b] = [values[0][one], values[1]?.[other]];
  const facts = [`Patch ${left}, ${top} to ${right}, ${bottom} px`];
  if (a !== undefined) facts.push(`A ${formatWeight(a, false)}`);
  if (b !== undefined) facts.push(`B ${formatWeight(b, false)}`);
  facts.push(
    a !== undefined && b !== undefined
      ? `A − B ${formatDifference(a - b)}`
      : values[1]
        ? "the other has no such patch"
        : "B has no such word",
  );
  return facts.join(" · ");
}

/** Why the second side or the difference has no picture; "" if both have one. */
export function lackText({ values, difference }: Pictured): string {
  if (!values[1]) return "B has no such word.";
  return difference ? "" : "A and B have no patches in common.";
}
