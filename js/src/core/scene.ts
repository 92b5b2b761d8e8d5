// What the views of single tokens draw: units on both sides, and the weights between them.
import { ByteCache } from "./cache";
import { accumulateHeads, decodeHead } from "./codec";
import { LONG } from "./constants";
import type { Aggregate, Axis, Head, Reading, SentenceReply, Side } from "./contract";
import type { Data } from "./data";
import { addDropped } from "./dropped_share";
import { type Drop, droppedColumns } from "./dropping";
import { leftOut } from "./format";
import { MAX_HEAD_COLORS } from "./scales";
import {
  accumulate,
  columnOf,
  finish,
  isIdentity,
  laterUnits,
  makeUnits,
  maximum,
  oneUnit,
  project,
  rowOf,
  type UnitOptions,
  type Units,
  unreadUnit,
} from "./units";

export interface SceneSpec {
  sentence: number;
  heads: Head[];
  aggregate: Aggregate;
  /** Whether several heads are drawn as one, their aggregate. */
  combined: boolean;
  words: boolean;
  drop: Drop;
  reading: Reading;
  /** The heads whose rows are moved up by one, to be named by the token that they read; picked or not. */
  moved: Head[];
  /** Whether weights are divided by the sinks. */
  divided: boolean;
}

export interface Scene {
  spec: SceneSpec;
  reply: SentenceReply;
  source: Units;
  target: Units;
  /** Weights [target, source] of each set of lines: one per head, or the aggregate alone. */
  sets: Float32Array[];
  aggregate: Float32Array;
  /** Whether the lines are the aggregate, as is wanted or because there are more heads than colors. */
  aggregated: boolean;
  top: number;
  /** For each target unit the share of its weight on what is dropped, the mean over heads; null where no column is. */
  dropped: Float32Array | null;
}

/** The scenes of a sentence that were shown last: going back to one takes no time. They end with the sentence. */
const scenesOf = new WeakMap<SentenceReply, ByteCache<Scene>>();
const SCENES_BYTES = 32 * 1024 * 1024;

const unitsOfAxis = new WeakMap<Axis, Map<string, Units>>();

function keyOf({ heads, aggregate, combined, words, drop, reading, moved, divided }: SceneSpec): string {
  return [aggregate, combined, words, drop, reading, divided, ...heads.flat(), "|", ...moved.flat()].join(
    " ",
  );
}

/** The same object for the same choice: views keep their tokens, and the focus on them, as long as it is the same. */
function unitsFor(axis: Axis, options: UnitOptions): Units {
  const known = unitsOfAxis.get(axis) ?? new Map<string, Units>();
  unitsOfAxis.set(axis, known);
  const choice = [options.words, options.drop, options.crop ?? false].join(" ");
  const units = known.get(choice) ?? makeUnits(axis, options);
  known.set(choice, units);
  return units;
}

/**
 * Loads the layers one after another and projects the picked heads. With more heads than colors only the running
 * aggregate is kept, so that picking every head of a large model does not fill the memory. With `exact` the weights are
 * the kernel's own instead of the quantized ones of whole layers.
 */
export async function buildScene(
  data: Data,
  spec: SceneSpec,
  signal: AbortSignal,
  progress: (layer: number) => void,
  exact = false,
): Promise<Scene> {
  // The first layer is requested with the sentence: the first picture waits for both.
  const first = spec.heads[0]?.[0];
  const ahead = first === undefined || exact ? null : data.layer(spec.sentence, first, spec.divided);
  ahead?.catch(() => {});
  const layerOf = (number: number) =>
    ahead && number === first ? ahead : data.layer(spec.sentence, number, spec.divided);
  const reply = await data.sentence(spec.sentence);
  const known = scenesOf.get(reply) ?? new ByteCache<Scene>(SCENES_BYTES);
  scenesOf.set(reply, known);
  const key = keyOf(spec);
  const before = exact ? undefined : known.get(key);
  if (before) return before;
  const options = { words: spec.words, drop: spec.drop };
  // Of a sound, what lies after its end is not shown among what was heard.
  const source = unitsFor(reply.source, { ...options, crop: true });
  const target = unitsFor(reply.target[spec.reading], options);
  const aggregated = isAggregated(spec);
  const sets: Float32Array[] = [];
  const total = new Float32Array(source.labels.length * target.labels.length);
  const size = source.assign.length * target.assign.length;

  // Many heads, position by position: added as they come, without a matrix for each.
  const plain = isIdentity(target) && isIdentity(source) && spec.drop === "nothing";
  const direct = aggregated && !exact && plain && !spec.heads.some((head) => isMoved(spec, head));
  const columns = droppedColumns(reply.source, spec.drop);
  const dropped = columns && new Float32Array(target.labels.length);
  const order = spec.heads.map((head, index) => ({ head, index })).sort((a, b) => a.head[0] - b.head[0]);
  for (const number of direct ? new Set(order.map(({ head }) => head[0])) : []) {
    progress(number);
    const layer = await layerOf(number);
    signal.throwIfAborted();
    const heads = spec.heads.filter((head) => head[0] === number);
    const absent = heads.find((head) => layer.missing?.includes(head[1]));
    if (absent) throw new Error(leftOut(absent));
    accumulateHeads(
      total,
      layer.bytes,
      heads.map((head) => head[1]),
      spec.aggregate,
    );
  }
  for (const { head, index } of direct ? [] : order) {
    progress(head[0]);
    const layer = exact ? null : await layerOf(head[0]);
    if (layer?.missing?.includes(head[1])) throw new Error(leftOut(head));
    const matrix = layer
      ? decodeHead(layer.bytes, head[1], size)
      : await data.head(spec.sentence, ...head, spec.divided);
    signal.throwIfAborted();
    const rows = isMoved(spec, head) ? laterUnits(target) : target;
    const weights = project(matrix, rows, source, renormalizes(spec, source));
    accumulate(total, weights, spec.aggregate);
    if (!aggregated) sets[index] = weights;
    if (columns && dropped) addDropped(dropped, matrix, rows, source, columns);
  }
  finish(total, spec.heads.length, spec.aggregate);
  meanOfRead(total, spec, target, source.labels.length);
  if (dropped) finish(dropped, spec.heads.length, "mean");
  if (aggregated) sets.push(total);
  const top = maximum(total);
  const scene = { spec, reply, source, target, sets, aggregate: total, aggregated, top, dropped };
  if (!exact) known.set(key, scene, total.byteLength * (1 + sets.length));
  return scene;
}

export function isMoved({ moved }: Pick<SceneSpec, "moved">, [layer, head]: Head): boolean {
  return moved.some((other) => other[0] === layer && other[1] === head);
}

/** The target unit for which none of the picked heads has a row, so that its weights are 0 and mean nothing; -1 for none. */
export function lackingUnit(spec: Pick<SceneSpec, "moved" | "heads">, target: Units): number {
  return spec.heads.every((head) => isMoved(spec, head)) ? unreadUnit(target) : -1;
}

/** Whether a set of lines has no row for a target unit. */
export function lacksRow({ spec, target, aggregated }: Scene, set: number, unit: number): boolean {
  const heads = aggregated ? spec.heads : spec.heads.slice(set, set + 1);
  return unit === lackingUnit({ moved: spec.moved, heads }, target);
}

/** Makes the last row of a mean that of the heads that have it: no row of a moved head reads the last token. */
function meanOfRead(total: Float32Array, spec: SceneSpec, target: Units, width: number): void {
  const having = spec.heads.filter((head) => !isMoved(spec, head)).length;
  const unread = unreadUnit(target);
  if (spec.aggregate !== "mean" || having === 0 || having === spec.heads.length || unread < 0) return;
  const row = rowOf(total, width, unread);
  for (let i = 0; i < row.length; i++) row[i] = ((row[i] ?? 0) * spec.heads.length) / having;
}

/** Whether rows are divided by their sum over the shown columns: others are dropped, or lie outside the sound. */
export function renormalizes({ drop }: Pick<SceneSpec, "drop">, source: Units): boolean {
  return drop !== "nothing" || source.assign.includes(-1);
}

/** Whether several heads are drawn as one set of lines. */
export function isAggregated({ heads, combined }: { heads: readonly Head[]; combined: boolean }): boolean {
  return heads.length > MAX_HEAD_COLORS || (combined && heads.length > 1);
}

/** The units of the longer side. */
export function longerSide({ source, target }: Pick<Scene, "source" | "target">): number {
  return Math.max(source.labels.length, target.labels.length);
}

/** Whether so many lines would tangle that one for each row is enough. */
export function isLong(scene: Pick<Scene, "source" | "target">): boolean {
  return longerSide(scene) > LONG;
}

/** What a unit of the scene is called. */
export function unitName({ spec }: Pick<Scene, "spec">, count = 1): string {
  return `${spec.words ? "word" : "token"}${count === 1 ? "" : "s"}`;
}

export function unitsOf(scene: Scene, side: Side): Units {
  return side === "source" ? scene.source : scene.target;
}

/** The aggregate weights between one unit and every unit of the other side. */
export function weightsOf(scene: Scene, side: Side, unit: number): Float32Array {
  const width = scene.source.labels.length;
  return side === "target" ? rowOf(scene.aggregate, width, unit) : columnOf(scene.aggregate, width, unit);
}

/**
 * The same weights, exact, from the kernel; null if rows were renormalized, because a single column does not show by
 * how much.
 */
export async function exactWeightsOf(
  data: Data,
  scene: Scene,
  side: Side,
  unit: number,
): Promise<Float32Array | null> {
  const { spec, source, target } = scene;
  if (side === "source" && renormalizes(spec, source)) return null;
  const total = new Float32Array((side === "target" ? source : target).labels.length);
  const rowsOf = (head: Head) => (isMoved(spec, head) ? laterUnits(target) : target);
  const positionsOf = (head: Head) => (side === "target" ? rowsOf(head) : source).positions[unit] ?? [];
  const positions = [...new Set(spec.heads.flatMap(positionsOf))];
  const perPosition = await Promise.all(
    positions.map((position) =>
      side === "target"
        ? data.row(spec.sentence, spec.heads, position, spec.divided)
        : data.column(spec.sentence, spec.heads, position, spec.divided),
    ),
  );
  spec.heads.forEach((head, index) => {
    const parts = positionsOf(head).map(
      (position) => perPosition[positions.indexOf(position)]?.[index] ?? new Float32Array(0),
    );
    const one = oneUnit(parts.length);
    const weights =
      side === "target"
        ? project(stackRows(parts), one, source, renormalizes(spec, source))
        : project(stackColumns(parts), rowsOf(head), one, false);
    accumulate(total, weights, spec.aggregate);
  });
  finish(total, spec.heads.length, spec.aggregate);
  if (side === "source") meanOfRead(total, spec, target, 1);
  else if (unit === unreadUnit(target)) meanOfRead(total, spec, oneUnit(1), total.length);
  return total;
}

function stackRows(rows: Float32Array[]): Float32Array {
  const width = rows[0]?.length ?? 0;
  const out = new Float32Array(width * rows.length);
  rows.forEach((row, i) => {
    out.set(row, i * width);
  });
  return out;
}

function stackColumns(columns: Float32Array[]): Float32Array {
  const out = new Float32Array((columns[0]?.length ?? 0) * columns.length);
  columns.forEach((column, c) => {
    column.forEach((value, t) => {
      out[t * columns.length + c] = value;
    });
  });
  return out;
}

/**
 * Log-probability of the tokens that a target unit's rows predict, or with `before` that the rows so many places before
 * them predict; null when it is not known.
 */
export function logprobOf(scene: Scene, unit: number, before = 0): number | null {
  const logprobs = scene.reply.logprobs;
  if (!logprobs) return null;
  let sum = 0;
  for (const position of scene.target.positions[unit] ?? []) {
    const value = logprobs[position - before];
    if (value === null || value === undefined || !Number.isFinite(value)) return null;
    sum += value;
  }
  return sum;
}
