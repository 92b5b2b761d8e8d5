// The views, in the order of their tabs. A new view is a folder and a line here.
import { mountAllHeads, saveAllHeads } from "./all_heads/controller";
import { mountCompare } from "./compare/controller";
import { saveCompare } from "./compare/export";
import { view } from "./core/view";
import { mountLines, saveLines } from "./lines/controller";
import { mountMatrix, saveMatrix } from "./matrix/controller";
import { mountScores } from "./scores/controller";
import { saveScores } from "./scores/export";
import { mountSentences } from "./sentences/controller";
import { saveSentences } from "./sentences/export";

export const VIEWS = [
  view("lines", "Lines", { weights: true }, mountLines, saveLines),
  view("matrix", "Matrix", { weights: true }, mountMatrix, saveMatrix),
  view("sentences", "Sentences", { several: true }, mountSentences, saveSentences),
  view("compare", "Compare", { weights: true }, mountCompare, saveCompare),
  view("scores", "Scores", {}, mountScores, saveScores),
  view("all", "All heads", {}, mountAllHeads, saveAllHeads),
] as const;

export type ViewName = (typeof VIEWS)[number]["name"];
