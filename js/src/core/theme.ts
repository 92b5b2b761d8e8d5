// Finds out whether the host is dark, follows its changes, and reads the colors that canvases need.

import type { ThemeName } from "./contract";
import { makeDiverging, makeRamp, parseColor, type Ramp, type RGB } from "./scales";

export interface Theme {
  dark: boolean;
  background: RGB;
  foreground: string;
  muted: string;
  /** The background as a color of CSS. */
  paper: string;
  accent: string;
  /** Outlines reference links: seen on every color of the map. */
  mark: string;
  ramp: Ramp;
  diverging: Ramp;
}

const DARK_CLASSES = ["dark", "dark-theme", "vscode-dark", "vscode-high-contrast"];
const LIGHT_CLASSES = ["light", "light-theme", "vscode-light", "vscode-high-contrast-light"];
const ATTRIBUTES = [
  "class",
  "theme",
  "data-theme",
  "data-jp-theme-light",
  "data-mode",
  "data-vscode-theme-kind",
];

/** What one element announces: true for dark, false for light, null for nothing. */
function announced(element: Element): boolean | null {
  const jupyter = element.getAttribute("data-jp-theme-light");
  if (jupyter === "false") return true;
  if (jupyter === "true") return false;
  // Colab says it in an attribute "theme".
  const named = ["data-theme", "data-mode", "theme"].map((name) => element.getAttribute(name)).find(Boolean);
  if (named === "dark") return true;
  if (named === "light") return false;
  // "vscode-high-contrast-light" comes with "vscode-high-contrast": light has to be asked first.
  if (LIGHT_CLASSES.some((name) => element.classList.contains(name))) return false;
  if (DARK_CLASSES.some((name) => element.classList.contains(name))) return true;
  return null;
}

/** The nearest announcement above `element`, through shadow roots; else the reader's preference. */
export function isDark(element: Element): boolean {
  let node: Node | null = element;
  while (node) {
    if (node instanceof Element) {
      const answer = announced(node);
      if (answer !== null) return answer;
    }
    node = node instanceof ShadowRoot ? node.host : node.parentNode;
  }
  const page = element.ownerDocument;
  const ofPage = (page.body ? announced(page.body) : null) ?? announced(page.documentElement);
  return ofPage ?? prefersDark()?.matches ?? false;
}

function prefersDark(): MediaQueryList | undefined {
  return typeof window.matchMedia === "function"
    ? window.matchMedia("(prefers-color-scheme: dark)")
    : undefined;
}

/** Marks the root as light or dark and gives the colors for canvases. */
export function applyTheme(root: HTMLElement, wanted: ThemeName): Theme {
  const dark = wanted === "auto" ? isDark(root.parentElement ?? root) : wanted === "dark";
  root.dataset.xattnTheme = dark ? "dark" : "light";
  // A theme that the user asked for must not take the host's colors.
  root.toggleAttribute("data-xattn-forced", wanted !== "auto");
  const style = getComputedStyle(root);
  const background = parseColor(style.backgroundColor) ?? (dark ? [22, 24, 28] : [255, 255, 255]);
  const foreground = parseColor(style.color) ?? (dark ? [230, 232, 235] : [31, 35, 40]);
  const mixed = foreground.map((channel, i) => Math.round(channel * 0.62 + (background[i] ?? 0) * 0.38));
  return {
    dark,
    background,
    foreground: `rgb(${foreground.join(" ")})`,
    muted: `rgb(${mixed.join(" ")})`,
    paper: `rgb(${background.join(" ")})`,
    // As --xattn-accent: a canvas cannot read light-dark().
    accent: dark ? "#6cb6ea" : "#0b62a3",
    mark: dark ? "#ff9e5e" : "#c8430b",
    ramp: makeRamp(background, dark),
    diverging: makeDiverging(background, dark),
  };
}

/** VS Code puts white behind every widget, whatever its theme: round a dark panel it would show as a frame. */
export function clearHostBackground(root: HTMLElement): void {
  if (!("vscIPyWidgets" in window)) return;
  for (const box of ancestors(root))
    if (box.matches(".cell-output-ipywidget-background"))
      box.style.setProperty("background", "transparent", "important");
}

function* ancestors(element: Element): Generator<HTMLElement> {
  for (let node = element.parentElement; node; node = node.parentElement) yield node;
}

/** Calls `changed` when the page or the reader's preference changes. */
export function watchTheme(root: HTMLElement, changed: () => void, signal: AbortSignal): void {
  const page = root.ownerDocument;
  const observer = new MutationObserver(changed);
  for (const node of [page.documentElement, page.body])
    if (node) observer.observe(node, { attributes: true, attributeFilter: ATTRIBUTES });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  prefersDark()?.addEventListener("change", changed, { signal });
}
