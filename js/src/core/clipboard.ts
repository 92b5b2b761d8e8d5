// Puts text on the clipboard, even if the page was served without encryption and has no clipboard interface.
import { focusedIn } from "./dom";

export async function copyText(text: string, near: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // Not allowed here. The older way needs a selected field in the page.
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "xattn-hidden";
  near.append(field);
  const focused = focusedIn(near);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error("the browser does not let this page use the clipboard");
}
