// The offline page.
import { describe, expect, it } from "vitest";
import { mountAll } from "../../src/page/page";
import { settled, state } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const { all, first } = panel;
describe("offline page", () => {
  it("mounts each host with its own state, once", async () => {
    for (const label of ["first", "second"]) {
      const div = document.createElement("div");
      div.className = "xattn-page";
      const script = document.createElement("script");
      script.type = "application/json";
      script.className = "xattn-state";
      script.textContent = JSON.stringify(state([label, "</s>"]));
      panel.host.append(div, script);
    }
    mountAll(document);
    mountAll(document);
    await settled();
    expect(all(".xattn")).toHaveLength(2);
    const tokens = all(".xattn-page").map((page) => page.querySelector(".xattn-token")?.textContent);
    expect(tokens).toEqual(["first", "second"]);
  });

  it("says so when the page's data cannot be read", () => {
    panel.host.innerHTML =
      '<div class="xattn-page"></div><script type="application/json" class="xattn-state">{</script>';
    mountAll(document);
    expect(first(".xattn-page").textContent).toContain("could not read");
  });
});
