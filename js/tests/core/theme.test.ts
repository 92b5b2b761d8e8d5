// How the panel finds its theme.
import { describe, expect, it } from "vitest";
import type { Traits } from "../../src/core/contract";
import { isDark } from "../../src/core/theme";
import { settled, state } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const { first } = panel;
const mount = (labels?: string[], patch: Partial<Traits> = {}) => panel.mount(state(labels, patch));

describe("theme", () => {
  it("takes the nearest announcement, through shadow roots", () => {
    const shadow = panel.host.attachShadow({ mode: "open" });
    const inner = document.createElement("div");
    shadow.append(inner);
    expect(isDark(inner)).toBe(false);
    document.body.dataset.jpThemeLight = "false";
    expect(isDark(inner)).toBe(true);
    panel.host.className = "light";
    expect(isDark(inner)).toBe(false);
    delete document.body.dataset.jpThemeLight;
  });

  it("is marked on the root and can be forced", async () => {
    const model = await mount(undefined, { theme: "dark" });
    expect(first(".xattn").dataset.xattnTheme).toBe("dark");
    model.set("theme", "light");
    await settled();
    expect(first(".xattn").dataset.xattnTheme).toBe("light");
  });
});
