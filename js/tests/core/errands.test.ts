// @vitest-environment node
// Errors of several errands: which one is shown, and what is tried again.
import { describe, expect, it } from "vitest";
import { createErrands } from "../../src/core/errands";

describe("errands", () => {
  it("show the first loud error, else the first quiet one", () => {
    const errands = createErrands(new AbortController().signal);
    const quiet = errands.add({ quiet: true });
    const [first, second] = [errands.add(), errands.add()];
    quiet.settle("quiet");
    expect(errands.error.value).toEqual({ text: "quiet", quiet: true });
    second.settle("second");
    first.settle("first");
    expect(errands.error.value).toEqual({ text: "first", quiet: false });
    first.settle(null);
    expect(errands.error.value?.text).toBe("second");
    second.settle(null);
    quiet.settle(null);
    expect(errands.error.value).toBeNull();
  });

  it("try again what failed, and nothing else", () => {
    const tried: string[] = [];
    const errands = createErrands(new AbortController().signal);
    const failing = errands.add({ retry: () => void tried.push("failed") });
    errands.add({ retry: () => void tried.push("well") });
    failing.settle("no");
    errands.retry();
    expect([tried, errands.error.value]).toEqual([["failed"], null]);
  });

  it("end the run before, and all runs when the panel is closed", () => {
    const closing = new AbortController();
    const errand = createErrands(closing.signal).add();
    const before = errand.start();
    const run = errand.start();
    expect([before.aborted, run.aborted]).toEqual([true, false]);
    closing.abort();
    expect([run.aborted, errand.start().aborted]).toEqual([true, true]);
  });
});
