// @vitest-environment node
/// <reference types="vite/client" />
// Which way imports point: core, then frame and heads, then the views and experiments, then the registry, then the panel,
// then the views of a corpus and of a profile, which open panels.
import { describe, expect, it } from "vitest";

const SOURCES: Record<string, string> = import.meta.glob("../src/**/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});
const STYLES: Record<string, string> = import.meta.glob("../src/**/*.css", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** The layers from the bottom up. A folder or file imports from layers below it and from itself only. */
const REGISTRY = SOURCES["../src/views.ts"] ?? "";
const VIEW_FOLDERS = [...REGISTRY.matchAll(/from "\.\/(\w+)\//g)].flatMap(([, folder]) =>
  folder && folder !== "core" ? [folder] : [],
);
const LAYERS = [
  ["core"],
  ["frame", "heads"],
  [...VIEW_FOLDERS, "experiments"],
  ["views"],
  ["panel"],
  ["corpus"],
  ["profile"],
  ["entry", "page", "stub"],
];

const inside = (path: string) => path.replace("../src/", "").replace(/\.ts$/, "");
const unitOf = (path: string) => path.split("/")[0] ?? "";
const levelOf = (unit: string) => LAYERS.findIndex((layer) => layer.includes(unit));

function resolve(from: string, to: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of to.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Every import of a file, type-only and dynamic ones included, as paths below src. */
const imports = new Map(
  Object.entries(SOURCES).map(([path, source]) => {
    const found = [...source.matchAll(/(?:from|import|import\()\s*"(\.[^"]+)"/g)].map(
      (match) => match[1] ?? "",
    );
    return [
      inside(path),
      found.filter((name) => !name.endsWith(".json")).map((name) => resolve(inside(path), name)),
    ];
  }),
);

describe("imports", () => {
  it("exist, and every file belongs to a layer", () => {
    expect(imports.size).toBeGreaterThan(60);
    for (const [file, targets] of imports) {
      expect(levelOf(unitOf(file)), `${file} is in no layer`).toBeGreaterThanOrEqual(0);
      for (const target of targets) expect([...imports.keys()], `imported by ${file}`).toContain(target);
    }
  });

  it("point down, and never from one folder to another of the same layer", () => {
    const wrong = [...imports].flatMap(([file, targets]) =>
      targets
        .filter((target) => unitOf(target) !== unitOf(file))
        .filter((target) => levelOf(unitOf(target)) >= levelOf(unitOf(file)))
        .map((target) => `${file} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("have no cycles, not even of types", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      if (done.has(file) || path.includes(file)) return;
      for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of imports.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

describe("sources", () => {
  it("have no colors of their own: these are in the palette", () => {
    const found = Object.entries({ ...SOURCES, ...STYLES }).flatMap(([path, text]) =>
      [...text.matchAll(/#(?:[0-9a-f]{6}|[0-9a-f]{3})\b/gi)].map((match) => `${path}: ${match[0]}`),
    );
    expect(found).toEqual([]);
  });

  it("detect no change by the text of a value", () => {
    const users = Object.entries(SOURCES).filter(([, text]) => text.includes("JSON.stringify"));
    // Files are written as JSON; nothing else is.
    expect(users.map(([path]) => inside(path)).sort()).toEqual(["core/scene_files", "scores/export"]);
  });
});
