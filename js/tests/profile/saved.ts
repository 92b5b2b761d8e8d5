// A profile of two layers of two heads over four sentences, as a page holds it.
import type { SavedProfile } from "../../src/page/profile_model";

export const HOSTILE = "<img src=x onerror=alert(1)>\u202egnol";

function buffer(values: readonly number[]): string {
  return btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)));
}

const NONE = Number.NaN;
const score = (name: string, role: string, direction: "higher" | "lower") => ({
  name,
  direction,
  signature: `${name}|v:1`,
  description: `What ${name} counts.`,
  role,
});

export function savedProfile(): SavedProfile {
  const role = (name: string, score: string, least: number) => ({
    name,
    score,
    least,
    description: "A rule.",
  });
  const roles = [
    role("end of sentence", "end_share", 0.5),
    ...["language", "punctuation", "same", "previous", "next"].map((name) =>
      role(name, `${name}_share`, 0.5),
    ),
    role("aligner (output)", "aligner_output_share", 0.35),
  ];
  const zeros = roles.slice(1, -1).flatMap(() => [0, 0, 0, 0]);
  return {
    app: "profile",
    traits: {
      info: {
        layers: 2,
        heads: 2,
        sentences: 4,
        failed: 0,
        quantile_sentences: 4,
        drawn: 4,
        what: "sentence",
        levels: [0.5],
        scores: [
          score("entropy", "", "lower"),
          score("end_share", "end of sentence", "higher"),
          score("aligner_output_share", "aligner (output)", "higher"),
        ],
        roles,
        assigned: [
          [0, 7],
          [7, 6],
        ],
        head_set: { heads: [{ layer: 1, head: 1, reading: "output" }], value: 0.75, measure: "one_to_one" },
        agreement: true,
        can_open: false,
        notice: "",
      },
      score_name: "",
      statistic: "mean",
      head: [1, 1],
      row: null,
      theme: "light",
    },
    numbers: [
      buffer([
        ...[0.2, NONE, 0.3, 0.4, 0.05, NONE, 0.05, 0.05, 0.2, NONE, 0.3, 0.4],
        ...[0.8, 0.2, 0.1, 0, 0, 0, 0, 0, 0.8, 0.2, 0.1, 0],
        ...[0, 0.1, 0.1, 0.6, 0, 0, 0, 0, 0, 0.1, 0.1, 0.6],
      ]),
      buffer([0.8, 0.2, 0.1, 0, ...zeros, 0, 0.1, 0.1, 0.6]),
      buffer([1, 0.3, 0.2, 0.4, 0.3, 1, 0.6, 0.5, 0.2, 0.6, 1, 0.9, 0.4, 0.5, 0.9, 1]),
    ],
    strongest: {
      entropy: [
        [[[1, 0.1]], []],
        [[[1, 0.3]], []],
      ],
      end_share: [
        [[[1, 0.9]], [[1, 0.3]]],
        [[[1, 0.1]], []],
      ],
      aligner_output_share: [
        [[], []],
        [
          [],
          [
            [1, 0.9],
            [2, 0.8],
          ],
        ],
      ],
    },
    texts: {
      "1": { name: "1", source: HOSTILE, target: "x" },
      "2": { name: "b", source: "c d", target: "b" },
    },
  };
}
