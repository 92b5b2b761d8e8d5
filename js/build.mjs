// Bundles the front end into ../xattn_widget/static/: stub.js and widget.js (anywidget), page.js (offline page),
// widget.css.
import { mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outdir = process.argv[2] ?? here("../xattn_widget/static");

const shared = { bundle: true, minify: true, legalComments: "none", logLevel: "warning", charset: "utf8" };
const script = { ...shared, target: "es2022", platform: "browser" };

await mkdir(outdir, { recursive: true });
await Promise.all([
  build({ ...script, entryPoints: [here("src/stub.ts")], outfile: `${outdir}/stub.js`, format: "esm" }),
  build({ ...script, entryPoints: [here("src/entry.ts")], outfile: `${outdir}/widget.js`, format: "esm" }),
  build({ ...script, entryPoints: [here("src/page/page.ts")], outfile: `${outdir}/page.js`, format: "iife" }),
  build({
    ...shared,
    entryPoints: [here("src/widget.css")],
    outfile: `${outdir}/widget.css`,
    // Nested rules are flattened for browsers that predate nesting.
    target: ["chrome111", "firefox113", "safari16.4"],
  }),
]);

for (const name of ["stub.js", "widget.js", "page.js", "widget.css"]) {
  const { size } = await stat(`${outdir}/${name}`);
  process.stdout.write(`${name}  ${(size / 1000).toFixed(1)} kB\n`);
}
