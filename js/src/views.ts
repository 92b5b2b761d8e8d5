// The views, in the order of their tabs. A new view is a folder and a line here.
import { mountAllHeads, saveAllHeads } from "./all_heads/controller";
import { mountCompare } from "./compare/controller";
import { saveCompare } from "./compare/export";
import { view } from "./core/view";
import { mountImage } from "./image/controller";
import { saveImage } from "./image/export";
import { mountLines, saveLines } from "./lines/controller";
import { mountMatrix, saveMatrix } from "./matrix/controller";
import { mountScores } from "./scores/controller";
import { saveScores } from "./scores/export";
import { mountSentences } from "./sentences/controller";
import { saveSentences } from "./sentences/export";
import { mountSpeech } from "./speech/controller";
import { saveSpeech } from "./speech/export";

export const VIEWS = [
  view("sound", "Sound", { weights: true, source: "audio" }, mountSpeech, saveSpeech),
  view("image", "Image", { weights: true, places: true }, mountImage, saveImage),
  view("lines", "Lines", { weights: true, without: "audio" }, mountLines, saveLines),
  view("matrix", "Matrix", { weights: true, without: "audio" }, mountMatrix, saveMatrix),
  view("sentences", "Sentences", { several: true, without: "audio" }, mountSentences, saveSentences),
  view("compare", "Compare", { weights: true }, mountCompare, saveCompare),
  view("scores", "Scores", {}, mountScores, saveScores),
  view("all", "All heads", {}, mountAllHeads, saveAllHeads),
] as const;

export type ViewName = (typeof VIEWS)[number]["name"];
