// Finds out whether the host is dark, follows its changes, and reads the colors that canvases need.
import { type ReadonlySignal, signal } from "@preact/signals-core";

import type { ThemeName } from "./contract";
import type { Frames } from "./frames";
import { PALETTE } from "./palette";
import { makeDiverging, makeRamp, parseColor, type Ramp, type RGB } from "./scales";

export interface Theme {
  dark: boolean;
  background: RGB;
  foreground: string;
  muted: string;
  /** The background as a color of CSS. */
  paper: string;
  accent: string;
  /** Outlines reference links: visible on every color of the map. */
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

/** What an element announces: true for dark, false for light, null for nothing. */
function announced(element: Element): boolean | null {
  const jupyter = element.getAttribute("data-jp-theme-light");
  if (jupyter === "false") return true;
  if (jupyter === "true") return false;
  // Colab has an attribute "theme".
  const named = ["data-theme", "data-mode", "theme"].map((name) => element.getAttribute(name)).find(Boolean);
  if (named === "dark") return true;
  if (named === "light") return false;
  // "vscode-high-contrast-light" comes with "vscode-high-contrast": light has to be tested first.
  if (LIGHT_CLASSES.some((name) => element.classList.contains(name))) return false;
  if (DARK_CLASSES.some((name) => element.classList.contains(name))) return true;
  return null;
}

/** The nearest announcement above `element`, through shadow roots, or else the reader's preference. */
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
  const announcedByPage = (page.body ? announced(page.body) : null) ?? announced(page.documentElement);
  return announcedByPage ?? prefersDark()?.matches ?? false;
}

function prefersDark(): MediaQueryList | undefined {
  return typeof window.matchMedia === "function"
    ? window.matchMedia("(prefers-color-scheme: dark)")
    : undefined;
}

/** Marks the root as light or dark and reads the colors for canvases. */
export function applyTheme(root: HTMLElement, wanted: ThemeName): Theme {
  const dark = wanted === "auto" ? isDark(root.parentElement ?? root) : wanted === "dark";
  root.dataset.xattnTheme = dark ? "dark" : "light";
  // A theme that the user chose must not use the host's colors.
  root.toggleAttribute("data-xattn-forced", wanted !== "auto");
  const style = getComputedStyle(root);
  const colors = PALETTE.theme[dark ? "dark" : "light"];
  const background = parseColor(style.backgroundColor) ?? colorOf(colors.background);
  const foreground = parseColor(style.color) ?? colorOf(colors.foreground);
  const mixed = foreground.map((channel, i) => Math.round(channel * 0.62 + (background[i] ?? 0) * 0.38));
  return {
    dark,
    background,
    foreground: `rgb(${foreground.join(" ")})`,
    muted: `rgb(${mixed.join(" ")})`,
    paper: `rgb(${background.join(" ")})`,
    accent: colors.accent,
    mark: colors.mark,
    ramp: makeRamp(background, dark),
    diverging: makeDiverging(background, dark),
  };
}

function colorOf(hex: string): RGB {
  return parseColor(hex) ?? [0, 0, 0];
}

function sameColors(a: Theme, b: Theme): boolean {
  return a.dark === b.dark && a.paper === b.paper && a.foreground === b.foreground;
}

/** The current appearance of the panel. */
export interface Looks {
  theme: ReadonlySignal<Theme>;
  /** A new value after each change of what the layout depends on: width, pixels and font. */
  size: ReadonlySignal<string>;
  /** Whether the page is being printed. */
  printing: ReadonlySignal<boolean>;
}

/** Follows the trait, the host and the size of the panel, which is in the page already. */
export function followLooks(
  root: HTMLElement,
  store: { get(name: "theme"): ThemeName },
  frames: Frames,
  closing: AbortSignal,
): Looks {
  clearHostBackground(root);
  const theme = signal(applyTheme(root, store.get("theme")));
  const host = signal(0);
  const printing = signal(false);
  const measure = () => `${root.clientWidth} ${window.devicePixelRatio} ${getComputedStyle(root).font}`;
  const size = signal(measure());
  watchTheme(root, () => host.value++, closing);
  const observer = new ResizeObserver(() => {
    size.value = measure();
    frames.look();
  });
  observer.observe(root);
  closing.addEventListener("abort", () => observer.disconnect(), { once: true });
  watchPrinting((on) => {
    root.classList.toggle("xattn-print", on);
    printing.value = on;
    size.value = measure();
    frames.finish();
  }, closing);

  frames.draw(() => {
    void host.value;
    void size.value;
    const next = applyTheme(root, printing.value ? "light" : store.get("theme"));
    // A new object makes everything paint again, so it is created only for new colors.
    if (!sameColors(next, theme.peek())) theme.value = next;
  });
  return { theme, size, printing };
}

/** Calls `changed` before and after the page is printed, or shown as if it were. */
function watchPrinting(changed: (printing: boolean) => void, signal: AbortSignal): void {
  window.addEventListener("beforeprint", () => changed(true), { signal });
  window.addEventListener("afterprint", () => changed(false), { signal });
  window.matchMedia?.("print").addEventListener("change", ({ matches }) => changed(matches), { signal });
}

/** VS Code puts white behind every widget, whatever its theme: around a dark panel it would show as a frame. */
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
