"""A tiny random model of every encoder-decoder family of transformers, with padded inputs if the family allows padding.

python tests/helpers/family_models.py                             # prints the table of families
python tests/helpers/family_models.py --write docs/families.md    # puts it between the markers of the page
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":  # find the package if it is not installed
    sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
import transformers as tf
from families import one_thread, state_of
from family_media import MEDIA
from family_parts import BART, BATCH, BERT, SOURCE, TARGET, Family, Made, draw, ids, image, library, mask, numbers, run
from family_text import TEXT

from xattn_widget import capture

_SERIES: dict[str, Any] = {
    "prediction_length": 6,
    "context_length": 8,
    "d_model": 16,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "decoder_layers": 3,
    "lags_sequence": [1, 2],
    "num_time_features": 1,
}


def _mllama() -> Made:
    text = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
        "cross_attention_layers": [1, 3],
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    }
    vision = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_global_layers": 1,
        "attention_heads": 2,
        "intermediate_size": 32,
        "vision_output_dim": 32,
        "image_size": 8,
        "patch_size": 4,
        "max_num_tiles": 2,
        "intermediate_layers_indices": [0],
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    }
    model = draw(
        tf.MllamaForConditionalGeneration(
            tf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=39)
        ),
        scale=3,
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("_gate"):  # gates are zero at first
                parameter.fill_(0.7)
    tiles = torch.tensor([[[1, 1]], [[1, 0]], [[1, 1]]])
    visible_tiles = tiles[:, None].expand(-1, TARGET, -1, -1).clone()
    visible_tiles[:, 0] = 0  # this token precedes the image
    inputs = {
        "input_ids": ids(columns=TARGET, high=39),
        "attention_mask": mask(TARGET, 4),
        "pixel_values": numbers(BATCH, 1, 2, 3, 8, 8),
        "aspect_ratio_ids": torch.tensor([[2], [1], [3]]),
        "aspect_ratio_mask": tiles,
        "cross_attention_mask": visible_tiles,
    }
    return Made(model, inputs, 2)


def _decoder_alone(model: Any, modules: int) -> Made:
    states = {"encoder_hidden_states": numbers(BATCH, SOURCE, 16), "encoder_attention_mask": mask(SOURCE)}
    return Made(draw(model), {"input_ids": ids(columns=TARGET), "attention_mask": mask(TARGET, 3), **states}, modules)


def _bert_decoder() -> Made:
    config = tf.BertConfig(**BERT, is_decoder=True, add_cross_attention=True)
    return _decoder_alone(tf.BertLMHeadModel(config), 2)


def _gpt2_decoder() -> Made:
    config = tf.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=4, n_positions=32, add_cross_attention=True)
    return _decoder_alone(tf.GPT2LMHeadModel(config), 2)


def _xglm_decoder() -> Made:
    config = tf.XGLMConfig(
        vocab_size=40, d_model=16, num_layers=2, attention_heads=4, ffn_dim=32, add_cross_attention=True
    )
    return _decoder_alone(tf.XGLMForCausalLM(config), 2)


def _series(name: str, **settings: Any) -> Callable[[], Made]:
    def make() -> Made:
        config = getattr(tf, f"{name}Config")(**_SERIES, **settings)
        model = draw(getattr(tf, f"{name}ForPrediction")(config), scale=4)
        inputs = {
            "past_values": numbers(BATCH, 10).abs(),
            "past_time_features": numbers(BATCH, 10, 1),
            "past_observed_mask": torch.ones(BATCH, 10),
            "future_values": numbers(BATCH, 6, seed=1).abs(),
            "future_time_features": numbers(BATCH, 6, 1, seed=1),
        }
        return Made(model, inputs, 3)

    return make


def _detr() -> Made:
    backbone = tf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = tf.DetrConfig(
        **{key: value for key, value in BART.items() if key.split("_")[0] in ("encoder", "decoder", "d")}
        | {"decoder_start_token_id": None},
        backbone_config=backbone,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        num_queries=TARGET,
    )
    pixels = torch.ones(BATCH, 32, 32, dtype=torch.long)
    pixels[1, :, 16:] = 0
    return Made(draw(tf.DetrForObjectDetection(config), scale=5), image(32, pixel_mask=pixels), 3)


def _mllama_layers(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return cross-attention only: Mllama lists the attention of all layers, and its config says which ones cross."""
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = eager(**inputs, output_attentions=True).attentions
    return tuple(attentions[layer] for layer in model.config.text_config.cross_attention_layers)


FAMILY: dict[str, Family] = (
    TEXT
    | MEDIA
    | {
        "mllama": Family(_mllama, "two of four layers have cross-attention", _mllama_layers),
        "bert (add_cross_attention)": Family(_bert_decoder),
        "gpt2 (add_cross_attention)": Family(_gpt2_decoder),
        "xglm (add_cross_attention)": Family(_xglm_decoder),
        "autoformer": Family(
            _series("Autoformer", moving_average=3, label_length=4),
            "refused with an error: its autocorrelation over time delays has no weights over the source",
            refused="returns no attention weights",
        ),
        "informer": Family(_series("Informer")),
        "time_series_transformer": Family(_series("TimeSeriesTransformer")),
        "detr": Family(_detr),
    }
)


def made_or_skip(name: str) -> Made:
    """Return the family's model, or skip the test if the installed transformers is too old to have it."""
    try:
        return FAMILY[name].make()
    except AttributeError as error:
        if "module transformers has no attribute" in str(error):
            import pytest

            pytest.skip(f"transformers {tf.__version__} does not have this family")
        raise


def tensors(output: Any) -> Iterator[torch.Tensor]:
    """Yield every tensor in a model's output, including caches."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from tensors(part)
    elif output is not None and type(output).__name__.endswith("Cache"):
        yield from tensors(list(vars(output).values()))
    elif type(output).__name__.endswith("Layer"):
        yield from tensors([output.keys, output.values])


class Captured(NamedTuple):
    """The result of capturing one forward of a family."""

    weights: tuple[torch.Tensor, ...]
    expected: tuple[torch.Tensor, ...]
    same_outputs: bool
    same_state: bool

    @property
    def difference(self) -> float:
        pairs = zip(self.weights, self.expected, strict=True)
        return max(float((layer - reference).abs().max()) for layer, reference in pairs)


def see(family: Family, made: Made) -> Captured:
    """Run the model with and without ``capture``: weights, and whether outputs and state are unchanged."""
    model, inputs, _ = made
    plain_outputs = list(tensors(run(model, inputs)))
    before = state_of(model)
    with capture(model) as captured:
        captured_outputs = list(tensors(run(model, inputs)))
    same_state = state_of(model) == before
    weights = captured.cross_attentions
    torch.manual_seed(0)
    expected = (family.reference or library)(model, inputs)
    same_outputs = len(plain_outputs) == len(captured_outputs) and all(
        map(torch.equal, plain_outputs, captured_outputs)
    )
    return Captured(weights, expected, same_outputs, same_state)


BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
HEADER = "| family | cross-attention modules | largest difference from the library's eager path | remark |"


def table_lines() -> Iterator[str]:
    """Run every family, and yield the lines of the page's table."""
    yield f"Measured with transformers {tf.__version__} and torch {torch.__version__.partition('+')[0]}."
    yield ""
    yield HEADER
    yield "| --- | --- | --- | --- |"
    with one_thread():
        for name, family in FAMILY.items():
            try:
                made = family.make()
                result = see(family, made)
                difference = f"{result.difference:.0e}" if result.difference else "0"
                row = f"{len(result.weights)} | {difference} | {family.remark}"
            except (ValueError, NotImplementedError) as error:
                row = f"- | - | {family.remark}" if family.refused else f"- | - | FAILS: {error!r}"
            except AttributeError as error:
                row = f"- | - | not in this version: {error}"
            except Exception as error:
                row = f"- | - | FAILS: {error!r:.300}"
            yield f"| {name} | {row} |"


def rows_of(page: str) -> list[list[str]]:
    """The cells of each row of the table in a page."""
    lines = page.partition(BEGIN)[2].partition(END)[0].partition(HEADER)[2].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]


def main() -> None:
    """Print the table of families, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="PAGE", help="replace what stands between the markers of a page")
    page = parser.parse_args().write
    lines = []
    for line in table_lines():
        print(line, flush=True)
        lines.append(line)
    if page:
        text = page.read_text(encoding="utf-8")
        before, begin, rest = text.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            sys.exit(f"{page} has no lines {BEGIN} and {END}, between which the table goes")
        table = "\n".join(lines)
        page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
