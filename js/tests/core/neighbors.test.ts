// Which scenes are built ahead, and that nothing is requested for them.
import { describe, expect, it } from "vitest";
import type { Head } from "../../src/core/contract";
import { neighborHeads } from "../../src/core/neighbors";
import { createStaticModel } from "../../src/page/model";
import { settled, state } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();

describe("the layers next to the picked heads", () => {
  it("are those above and below, with the same heads", () => {
    const whole: Head[] = [
      [1, 0],
      [1, 1],
    ];
    expect(neighborHeads(whole, 3)).toEqual([
      [
        [2, 0],
        [2, 1],
      ],
      [
        [0, 0],
        [0, 1],
      ],
    ]);
    expect(neighborHeads([[0, 1]], 1)).toEqual([]);
    expect(
      neighborHeads(
        [
          [0, 1],
          [1, 1],
        ],
        3,
      ),
    ).toEqual([]);
  });

  it("are not requested for it", async () => {
    const inner = createStaticModel(state(undefined, { heads: [[0, 0]] }));
    const asked: number[] = [];
    panel.render({
      ...inner,
      send(content) {
        const request = content as { kind: string; layer: number };
        if (request.kind === "layer") asked.push(request.layer);
        inner.send(content);
      },
    });
    await settled();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(asked).toEqual([0]);
  });
});
