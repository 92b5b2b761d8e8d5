// The model of a page with a profile: the page holds all numbers and the texts of the strongest sentences.
import type { Model } from "../core/model";
import type { Value } from "../corpus/contract";
import type { ProfileRequest, ProfileTraits, StrongestRow } from "../profile/contract";
import { createSavedModel, fromBase64 } from "./saved_model";

export interface SavedProfile {
  app: "profile";
  traits: Omit<ProfileTraits, "_open">;
  /** The buffers of the numbers, in base64. */
  numbers: string[];
  /** By score, layer and head: rows with their values. */
  strongest: Record<string, [row: number, value: Value][][][]>;
  /** By row. */
  texts: Record<string, Omit<StrongestRow, "row" | "value">>;
}

export function createProfileModel(saved: SavedProfile): Model {
  return createSavedModel(saved.traits, async (request: ProfileRequest) => {
    if (request.kind === "numbers")
      return { content: {}, buffers: saved.numbers.map((text) => new DataView(fromBase64(text).buffer)) };
    const { name, head } = request;
    const found = Object.hasOwn(saved.strongest, name)
      ? saved.strongest[name]?.[head[0]]?.[head[1]]
      : undefined;
    if (!found) throw new Error("this page was saved without these numbers");
    const rows = found.map(([row, value]) => ({ row, value, ...saved.texts[String(row)] }));
    return { content: { rows }, buffers: [] };
  });
}
