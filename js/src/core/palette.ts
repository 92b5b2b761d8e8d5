// Colors and sizes: the same file gives them to the style sheet and to Python's pictures.
import palette from "../../../xattn_widget/plot/palette.json";

export const PALETTE = palette;
