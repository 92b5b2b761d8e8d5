// Printing: the panel is light and as wide as a sheet before the page is printed, and as it was afterwards.
import { describe, expect, it } from "vitest";
import { settled, state } from "./helpers";
import { mounted } from "./mounted";

const panel = mounted();
const { all, first } = panel;
const print = (name: "beforeprint" | "afterprint") => window.dispatchEvent(new Event(name));

describe("printing", () => {
  it("is light at once, and dark again afterwards", async () => {
    await panel.mountTwo({ theme: "dark" });
    const root = first(".xattn");
    expect(root.dataset.xattnTheme).toBe("dark");
    print("beforeprint");
    // Without waiting for a frame, which comes too late.
    expect([root.classList.contains("xattn-print"), root.dataset.xattnTheme]).toEqual([true, "light"]);
    print("afterprint");
    expect([root.classList.contains("xattn-print"), root.dataset.xattnTheme]).toEqual([false, "dark"]);
  });

  it("draws what was about to be drawn", async () => {
    const model = await panel.mountTwo();
    model.set("panel", "matrix");
    expect(first(".xattn-matrix").hidden).toBe(true);
    print("beforeprint");
    expect(first(".xattn-matrix").hidden).toBe(false);
    print("afterprint");
  });

  it("writes long rows as columns, which a sheet has room for", async () => {
    const labels = Array.from({ length: 40 }, (_, i) => `t${i}`);
    await panel.mount(state(labels, { orientation: "rows" }));
    const rows = () => first(".xattn-lines").classList.contains("xattn-rows");
    expect(rows()).toBe(true);
    print("beforeprint");
    expect(rows()).toBe(false);
    print("afterprint");
    await settled();
    expect(rows()).toBe(true);
  });

  it("does nothing to a panel that is closed", async () => {
    await panel.mountTwo();
    const root = first(".xattn");
    panel.close();
    print("beforeprint");
    expect(root.classList.contains("xattn-print")).toBe(false);
    expect(all(".xattn")).toHaveLength(0);
  });
});
