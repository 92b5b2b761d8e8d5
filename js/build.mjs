// Bundles the front end into ../xattn_widget/static/: stub.js and widget.js (anywidget), page.js (offline page),
// widget.css.
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outdir = process.argv[2] ?? here("../xattn_widget/static");

/** The style sheet's `@import "palette"`: the palette as custom properties of the panel. */
const palette = {
  name: "palette",
  setup({ onLoad, onResolve }) {
    const path = here("../xattn_widget/plot/palette.json");
    onResolve({ filter: /^palette$/ }, () => ({ path, namespace: "palette" }));
    onLoad({ filter: /.*/, namespace: "palette" }, async () => {
      const { theme, sizes } = JSON.parse(await readFile(path, "utf8"));
      const colors = Object.entries(theme.light).map(
        ([name, light]) => `--xattn-${name}: light-dark(${light}, ${theme.dark[name]});`,
      );
      const lengths = Object.entries(sizes).map(([name, size]) => `--xattn-${name}: ${size}px;`);
      return { contents: `.xattn { ${[...colors, ...lengths].join(" ")} }`, loader: "css" };
    });
  },
};

/** Puts the rules of each style sheet under the panel's root class, which is `&` there: they win over the host's. */
const scope = {
  name: "scope",
  setup({ onLoad }) {
    onLoad({ filter: /src[/\\].+[/\\].+\.css$/ }, async ({ path }) => ({
      contents: `.xattn {\n${await readFile(path, "utf8")}\n}`,
      loader: "css",
    }));
  },
};

const shared = { bundle: true, minify: true, legalComments: "none", logLevel: "warning", charset: "utf8" };
const script = { ...shared, target: "es2022", platform: "browser" };

/** The license texts of the packages in a bundle, which their licenses ask for. */
async function notices(inputs) {
  const paths = Object.keys(inputs).map((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+\//.exec(path)?.[0]);
  const folders = [...new Set(paths.filter(Boolean))].sort();
  const texts = await Promise.all(folders.map((folder) => readFile(here(`${folder}LICENSE`), "utf8")));
  return folders
    .map((folder, i) => `/*! ${folder.slice("node_modules/".length)}\n${texts[i].trim()} */\n`)
    .join("");
}

/** Bundles a script, with the licenses of what it contains at its end. */
async function bundle(entry, name, format) {
  const { metafile, outputFiles } = await build({
    ...script,
    absWorkingDir: here("."),
    entryPoints: [here(entry)],
    format,
    metafile: true,
    write: false,
  });
  await writeFile(`${outdir}/${name}`, outputFiles[0].text + (await notices(metafile.inputs)));
}

await mkdir(outdir, { recursive: true });
await Promise.all([
  bundle("src/stub.ts", "stub.js", "esm"),
  bundle("src/entry.ts", "widget.js", "esm"),
  bundle("src/page/page.ts", "page.js", "iife"),
  build({
    ...shared,
    entryPoints: [here("src/widget.css")],
    outfile: `${outdir}/widget.css`,
    // Nested rules are flattened for browsers that predate nesting.
    target: ["chrome111", "firefox113", "safari16.4"],
    plugins: [palette, scope],
  }),
]);

for (const name of ["stub.js", "widget.js", "page.js", "widget.css"]) {
  const { size } = await stat(`${outdir}/${name}`);
  process.stdout.write(`${name}  ${(size / 1000).toFixed(1)} kB\n`);
}
