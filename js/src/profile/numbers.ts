// The numbers of a profile and what they say in words: pure functions.
import type { Head } from "../core/contract";
import type { Cells } from "../core/csv";
import { formatScore, headName } from "../core/format";
import { PALETTE } from "../core/palette";
import { inkOn, parseColor } from "../core/scales";
import type { Fill } from "../heads/grid";
import type { BestSet, ProfileInfo, Statistic } from "./contract";

type Maybe = number | null;

export interface Spread {
  mean: Maybe;
  std: Maybe;
  /** At each of the profile's levels. */
  quantiles: Maybe[];
}

export interface Numbers {
  /** [layers][heads] of a score. */
  grid(score: string, statistic: Statistic): Maybe[][];
  spread(score: string, head: Head): Spread;
  /** The share of a head's rows that follow the rule of a role. */
  share(role: number, head: Head): Maybe;
  /** The similarity of two heads, by their numbers layer * heads + head. */
  agreement(first: number, second: number): Maybe;
}

export function readNumbers(info: ProfileInfo, buffers: readonly DataView[]): Numbers {
  const [statistics, shares, similar] = buffers.map(floats);
  const { layers, heads, levels, scores } = info;
  const count = layers * heads;
  const names = new Map(scores.map(({ name }, index) => [name, index]));
  const at = (values: Float32Array | undefined, place: number): Maybe => {
    const value = values?.[place];
    return value !== undefined && Number.isFinite(value) ? value : null;
  };
  const place = (statistic: Statistic) =>
    statistic === "mean" ? 0 : statistic === "std" ? 1 : 2 + levels.indexOf(statistic);
  const start = (score: string, part: number) =>
    ((names.get(score) ?? -1) * (2 + levels.length) + part) * count;
  return {
    grid: (score, statistic) =>
      Array.from({ length: layers }, (_, layer) =>
        Array.from({ length: heads }, (_, head) =>
          at(statistics, start(score, place(statistic)) + layer * heads + head),
        ),
      ),
    spread(score, [layer, head]) {
      const value = (part: number) => at(statistics, start(score, part) + layer * heads + head);
      return { mean: value(0), std: value(1), quantiles: levels.map((_, index) => value(2 + index)) };
    },
    share: (role, [layer, head]) => at(shares, role * count + layer * heads + head),
    agreement: (first, second) => at(similar, first * count + second),
  };
}

function floats(view: DataView): Float32Array {
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

export function statisticName(statistic: Statistic): string {
  if (statistic === "mean") return "mean";
  if (statistic === "std") return "spread (standard deviation)";
  return statistic === 0.5 ? "median" : `${formatLevel(statistic)} quantile`;
}

function formatLevel(level: number): string {
  return `${Number((100 * level).toPrecision(4))}%`;
}

export function percent(share: Maybe): string {
  return share === null ? "–" : `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;
}

/** The letter of each role, in the order of the profile's roles. */
const LETTERS = ["E", "L", "P", "S", "‹", "›", "O", "I", "R", "U"];

export const MIXED = "mixed";

export function roleName(info: ProfileInfo, role: number): string {
  return info.roles[role]?.name ?? MIXED;
}

/** The role of a head, as its place in the profile's roles. */
export function roleOf({ assigned, roles }: ProfileInfo, [layer, head]: Head): number {
  return assigned[layer]?.[head] ?? roles.length;
}

/** The color and the letter of a role; none for heads without one. */
export function roleFill(info: ProfileInfo, role: number, dark: boolean): Fill {
  const color = info.roles[role] && PALETTE.roles[dark ? "dark" : "light"][role];
  const ink = color ? inkOn(parseColor(color) ?? [0, 0, 0]) : "";
  return { color: color ?? "", ink, letter: color ? (LETTERS[role] ?? "") : "", name: roleName(info, role) };
}

/** How many heads have each role that occurs, in the order of the roles; heads without one come last. */
export function roleCounts({ assigned, roles }: ProfileInfo): { role: number; count: number }[] {
  const all = assigned.flat();
  return [...roles.keys(), roles.length]
    .map((role) => ({ role, count: all.filter((other) => other === role).length }))
    .filter(({ count }) => count > 0);
}

/** The role of a head in a sentence, with the share of rows that follow its rule. */
export function roleText(info: ProfileInfo, numbers: Numbers, head: Head): string {
  const role = roleOf(info, head);
  const rule = info.roles[role];
  if (rule) return `${percent(numbers.share(role, head))} of its rows follow the rule.`;
  const [best] = [...info.roles.keys()].sort(
    (a, b) => (numbers.share(b, head) ?? -1) - (numbers.share(a, head) ?? -1),
  );
  const nearest = best === undefined ? undefined : info.roles[best];
  if (best === undefined || !nearest) return "";
  const share = numbers.share(best, head);
  return share
    ? `No rule is followed by enough rows. Nearest: ${nearest.name}, ${percent(share)} of its rows (${percent(nearest.least)} needed).`
    : "No row follows a rule.";
}

/** The score by which the sentences are listed: the shown one, or that of the role or the nearest role of the head. */
export function listedScore(info: ProfileInfo, numbers: Numbers, name: string, head: Head): string {
  if (name !== "") return name;
  const role = info.roles[roleOf(info, head)];
  if (role) return role.score;
  let best = info.roles[0];
  let most = -1;
  for (const [index, rule] of info.roles.entries()) {
    const share = numbers.share(index, head) ?? -1;
    if (share > most) [best, most] = [rule, share];
  }
  return best?.score ?? "";
}

export function headOf(info: ProfileInfo, number: number): Head {
  return [Math.floor(number / info.heads), number % info.heads];
}

/** The other heads and their similarity to one head, most similar first. */
export function agreeing(
  info: ProfileInfo,
  numbers: Numbers,
  [layer, head]: Head,
): { head: Head; value: number }[] {
  if (!info.agreement) return [];
  const own = layer * info.heads + head;
  return Array.from({ length: info.layers * info.heads }, (_, other) => other)
    .flatMap((other) => {
      const value = other === own ? null : numbers.agreement(own, other);
      return value === null ? [] : [{ head: headOf(info, other), value }];
    })
    .sort((a, b) => b.value - a.value);
}

/** The best set in words. */
export function bestSetText({ heads, value, measure }: BestSet): string {
  const names = heads.map(({ layer, head, reading }) => `L${layer} H${head} (${reading})`).join(", ");
  const rated = value.toFixed(3).replace(/^0/, "");
  return measure === "aer" ? `${names} · AER ${rated}` : `${names} · predicted without gold, ${rated} of 1`;
}

/** A distribution in words. */
export function spreadText({ mean, std, quantiles }: Spread, levels: readonly number[]): string {
  if (mean === null) return "undefined";
  const parts = quantiles.map((value, index) => `${formatLevel(levels[index] ?? 0)} ${formatScore(value)}`);
  return `mean ${formatScore(mean)}, standard deviation ${formatScore(std)}; quantiles: ${parts.join(", ")}`;
}

/** The table of the profile, as Python's `profile.table` has it: one row per head, under the names of the columns. */
export function tableRows(info: ProfileInfo, numbers: Numbers): Cells[] {
  const names = info.scores.flatMap(({ name }) => [`${name}.mean`, `${name}.std`]);
  const rows: Cells[] = [
    ["layer", "head", "role", "share", ...info.roles.map(({ score }) => score), ...names],
  ];
  for (let layer = 0; layer < info.layers; layer++)
    for (let head = 0; head < info.heads; head++) {
      const role = roleOf(info, [layer, head]);
      const shares = info.roles.map((_, index) => numbers.share(index, [layer, head]));
      const share = info.roles[role]
        ? (shares[role] ?? null)
        : Math.max(...shares.map((value) => value ?? 0));
      const spreads = info.scores.map(({ name }) => numbers.spread(name, [layer, head]));
      const moments = spreads.flatMap(({ mean, std }) => [mean, std]);
      rows.push([layer, head, roleName(info, role), share, ...shares, ...moments]);
    }
  return rows;
}

/** The most and the least similar pair of heads, in words. */
export function extremesText(info: ProfileInfo, numbers: Numbers): string {
  const count = info.layers * info.heads;
  let [most, least]: ({ pair: [number, number]; value: number } | null)[] = [null, null];
  for (let first = 0; first < count; first++)
    for (let second = first + 1; second < count; second++) {
      const value = numbers.agreement(first, second);
      if (value === null) continue;
      if (!most || value > most.value) most = { pair: [first, second], value };
      if (!least || value < least.value) least = { pair: [first, second], value };
    }
  if (!most || !least) return "";
  const names = ({ pair, value }: { pair: [number, number]; value: number }) =>
    `${pair.map((number) => headName(...headOf(info, number))).join(" and ")} (${value.toFixed(2)})`;
  return `Most alike: ${names(most)}. Least alike: ${names(least)}.`;
}
