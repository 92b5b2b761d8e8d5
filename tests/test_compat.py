"""The private and unstable names in ``_compat.py`` work in the installed releases; if not, what depends on them?"""

import ast
import gc
import inspect
import re
import subprocess
import sys
import types
import weakref
from contextlib import contextmanager

import pytest
import torch
import transformers
from torch import nn

from xattn_widget import _compat


@contextmanager
def needed(name, dependent, library):
    """Says what depends on a name if the code inside fails."""
    try:
        yield
    except Exception as error:
        release = getattr(library, "__version__", "")
        pytest.fail(
            f"{name} has moved or changed in {library.__name__} {release}: {error!r}. {dependent} depends on it. "
            "Find out how this release does it, and change xattn_widget/_compat.py"
        )


# --- torch.


def test_the_module_inside_a_compiled_one():
    with needed("_orig_mod of a compiled module", "The hint to pass a compiled model's own module", torch):
        model = nn.Linear(2, 2)
        assert getattr(torch.compile(model), _compat.ORIGINAL_MODULE) is model


def test_the_mark_of_a_generation_config_that_is_made_from_the_models():
    with needed("_from_model_config of a saved generation config", "calibrate_heads(...).save(folder)", transformers):
        config = transformers.GenerationConfig.from_model_config(transformers.WhisperConfig())
        assert config.to_dict()[_compat.FROM_MODEL_CONFIG] is True


def test_operations_on_the_plain_tensor_below_a_subclass():
    class Subclass(torch.Tensor):
        pass

    with needed("torch._C.DisableTorchFunctionSubclass", "The grid of a score", torch):
        with _compat.plain_tensors():
            result = torch.ones(2).as_subclass(Subclass) + 1
        assert type(result) is torch.Tensor


def test_dynamo_is_loaded_by_the_first_compilation():
    """In another process: here it is loaded already."""
    program = (
        "import torch; from xattn_widget._compat import is_dynamo_loaded\n"
        "print(is_dynamo_loaded()); torch.compile(lambda x: x, backend='eager'); print(is_dynamo_loaded())"
    )
    with needed("torch._dynamo, loaded by torch.compile", "Running compiled models uncompiled in blocks", torch):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False", "True"]


def test_what_runs_inside_a_compiled_function_is_known():
    import torch._dynamo

    seen = []

    @torch._dynamo.disable(recursive=False)
    def uncompiled_part():
        seen.append(_compat.is_inside_compiled())

    def whole(x):
        uncompiled_part()
        return x + 1

    name = "torch._C._dynamo.eval_frame.get_eval_frame_callback"
    with needed(name, "Refusing blocks inside compiled functions", torch):
        assert not _compat.is_inside_compiled()
        torch.compile(whole, backend="eager")(torch.ones(2))
        assert seen == [True]
        assert not _compat.is_inside_compiled()


def test_a_backward_pass_is_known():
    x, seen = torch.ones(2, requires_grad=True), []
    y = x * 2
    y.register_hook(lambda gradient: seen.append(_compat.is_backward_running()))
    with needed("torch._C._current_graph_task_id", "Capturing under gradient checkpointing", torch):
        y.sum().backward()
        assert seen == [True]
        assert not _compat.is_backward_running()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_a_linear_layer_by_onednn():
    layer, states = nn.Linear(3, 5), torch.randn(4, 3)
    name, dependent = "torch.ops.mkldnn._linear_pointwise", "The speed of score_corpus on CPUs of AMD"
    with needed(name, dependent, torch), torch.no_grad():
        for bias in (layer.bias, None):
            expected = nn.functional.linear(states, layer.weight, bias)
            torch.testing.assert_close(_compat.onednn_linear(states, layer.weight, bias), expected)


def test_a_product_of_int8():
    with needed("quantized.linear_with_input_q_dq_qweight_dq_output_fp32", "precision='int8' of a corpus job", torch):
        weight, states = torch.tensor([[1.0, -0.5], [0.25, 1.0]]), torch.tensor([[1.0, 0.5]])
        [packed] = _compat.pack_int8([(weight, torch.full((2,), 1 / 4))])
        torch.testing.assert_close(_compat.int8_product(states, packed, 1 / 4, 128), states @ weight.T)


def test_the_parts_of_a_tensor_subclass():
    from torch.testing._internal.two_tensor import TwoTensor

    with needed("__tensor_flatten__ of a tensor", "The fingerprint of quantized models", torch):
        parts = _compat.tensor_parts(TwoTensor(torch.zeros(2), torch.ones(2)))
        assert set(parts) >= {"a", "b", "context"}
        assert torch.equal(parts["b"], torch.ones(2))
        assert _compat.tensor_parts(torch.ones(2)) is None
        assert _compat.tensor_parts(nn.Parameter(torch.ones(2))) is None


# --- transformers.


def test_the_attention_implementation_of_a_config():
    with needed("_attn_implementation of a config", "Capturing, and what score_corpus stores of a job", transformers):
        config = transformers.MarianConfig(attn_implementation="eager")
        assert _compat.attention_implementation(config) == "eager"
        assert isinstance(getattr(type(config), _compat.IMPLEMENTATION), property)
    with needed("_attn_implementation_internal of a config", "Capturing without changing the config", transformers):
        setattr(config, _compat.IMPLEMENTATION, "sdpa")
        assert vars(config)[_compat.IMPLEMENTATION_FIELD] == _compat.stored_implementation(config) == "sdpa"
    assert _compat.attention_implementation(object()) is None
    assert _compat.stored_implementation(None) is None


def test_a_registered_attention_function_is_removed_again():
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    before = sorted(ALL_ATTENTION_FUNCTIONS.keys())
    transformers.AttentionInterface.register("compat_test", len)
    with needed("AttentionInterface._global_mapping", "Leaving transformers as it was after capture", transformers):
        assert ALL_ATTENTION_FUNCTIONS["compat_test"] is len
        _compat.unregister_attention("compat_test")
        assert sorted(ALL_ATTENTION_FUNCTIONS.keys()) == before
        _compat.unregister_attention("compat_test")


def test_the_attention_functions_of_a_modeling_file():
    from transformers.models.bart import modeling_bart

    name = "ALL_ATTENTION_FUNCTIONS or eager_attention_forward in modeling_bart"
    with needed(name, "Capturing of all families with the attention interface", transformers):
        attention = modeling_bart.BartAttention
        assert _compat.looks_up_attention(attention)
        assert not _compat.looks_up_attention(nn.Linear)
        forward = inspect.unwrap(attention.forward)
        assert _compat.attention_function(forward, "eager") is modeling_bart.eager_attention_forward
        registered = modeling_bart.ALL_ATTENTION_FUNCTIONS["sdpa"]
        assert _compat.attention_function(forward, "sdpa") is registered is not None


@pytest.fixture
def python_tokenizer(tmp_path):
    from families import m2m_tokenizer

    return m2m_tokenizer(tmp_path)


def test_added_tokens_are_replaced(python_tokenizer):
    name = "_added_tokens_decoder, _added_tokens_encoder or _update_total_vocab_size of a tokenizer"
    with needed(name, "Tokenizers with a vocabulary for each side", transformers):
        (index, token), *_ = python_tokenizer.added_tokens_decoder.items()
        _compat.replace_added_tokens(python_tokenizer, {index + 1000: token})
        assert python_tokenizer.added_tokens_decoder == {index + 1000: token}
        assert python_tokenizer.get_added_vocab() == {token.content: index + 1000}
        assert python_tokenizer.convert_tokens_to_ids(token.content) == index + 1000
        assert python_tokenizer.convert_ids_to_tokens(index + 1000) == token.content


def test_a_tokenizer_stays_on_its_side(python_tokenizer):
    name = "_switch_to_input_mode or _switch_to_target_mode of a tokenizer"
    with needed(name, "Tokenizers with a vocabulary for each side", transformers):
        assert _compat.switches_sides(python_tokenizer)
        assert not _compat.switches_sides(object())
        codes = [python_tokenizer("Buch").input_ids[0], python_tokenizer(text_target="Buch").input_ids[0]]
        assert codes[0] != codes[1]
        for side, code in zip(("target", "source"), codes[::-1], strict=True):
            vars(python_tokenizer).pop("_switch_to_input_mode", None)
            vars(python_tokenizer).pop("_switch_to_target_mode", None)
            _compat.fix_side(python_tokenizer, side)
            assert python_tokenizer("Buch").input_ids[0] == code
            assert python_tokenizer(text_target="Buch").input_ids[0] == code


def test_the_lookup_of_tokens_is_replaced(python_tokenizer):
    name = "_convert_id_to_token of a tokenizer"
    with needed(name, "Tokenizers that read ids with another vocabulary than they write", transformers):
        index = python_tokenizer.convert_tokens_to_ids("▁")
        _compat.replace_token_lookup(python_tokenizer, {index: "replaced"}.get)
        assert python_tokenizer.convert_ids_to_tokens(index) == "replaced"
        assert "replaced" in python_tokenizer.decode([index])


# --- accelerate, ipywidgets, IPython, matplotlib, Ray.


def test_offloaded_weights_are_found():
    import accelerate

    with needed("_hf_hook with hooks and weights_map", "The fingerprint of offloaded models", accelerate):
        layer = nn.Linear(2, 2)
        weight = layer.weight.detach().clone()
        assert _compat.offloaded_weights(layer) is None
        accelerate.cpu_offload(nn.Sequential(layer), execution_device="cpu")
        assert layer.weight.is_meta
        assert torch.equal(_compat.offloaded_weights(layer)["weight"], weight)
        accelerate.hooks.add_hook_to_module(layer, accelerate.hooks.ModelHook(), append=True)
        assert torch.equal(_compat.offloaded_weights(layer)["weight"], weight)


def test_open_widgets_are_listed():
    import ipywidgets

    with needed("ipywidgets.widgets.widget._instances", "Closing the widgets of cells that run again", ipywidgets):
        widget = ipywidgets.HTML()
        assert _compat.open_widgets()[widget.model_id] is widget
        widget.close()
        assert widget not in _compat.open_widgets().values()


@pytest.fixture
def shell():
    """A shell of IPython, as this process's own: there may be only one."""
    from IPython.core.interactiveshell import InteractiveShell

    display, excepthook = sys.displayhook, sys.excepthook
    found = InteractiveShell.instance(history_length=0)
    found.history_manager.enabled = False
    yield found
    InteractiveShell.clear_instance()
    found.restore_sys_module_state()
    sys.displayhook, sys.excepthook = display, excepthook


def test_results_of_cells_are_forgotten(shell):
    import IPython

    class Result:
        pass

    with needed("_oh, user_ns_hidden or displayhook of a shell", "Freeing the widgets of cells", IPython):
        shell.user_ns["Result"] = Result
        shell.run_cell("mine = Result()\nmine", store_history=True)
        shell.run_cell("_", store_history=True)
        result, kept = shell.user_ns["mine"], shell.user_ns["Out"]
        assert list(kept.values()) == [result, result]
        assert shell.user_ns["_"] is shell.user_ns["_1"] is result
        _compat.forget_results(shell, result)
        assert list(kept.values()) == []
        assert shell.user_ns["mine"] is result
        del shell.user_ns["mine"]
        result = weakref.ref(result)
        shell.run_cell("1", store_history=True)
        gc.collect()
        assert result() is None


def test_the_message_that_runs_a_cell(shell):
    import ipykernel
    from ipykernel.zmqshell import ZMQInteractiveShell

    with needed("get_parent of a kernel's shell", "Knowing the cell that shows a widget", ipykernel):
        assert not inspect.signature(ZMQInteractiveShell.get_parent).parameters.keys() - {"self"}
        stand_in = types.SimpleNamespace(get_parent=lambda: {"header": {"msg_id": "1"}})
        assert _compat.parent_message(stand_in) == {"header": {"msg_id": "1"}}
    assert _compat.parent_message(shell) == {}  # a terminal's


def test_the_name_of_a_cell(shell):
    import IPython

    with needed("compile.format_code_name of a shell", "The place in errors of scores defined in a cell", IPython):
        shell.run_cell("def score(): pass", store_history=True)
        assert re.fullmatch(r"Cell In\s?\[\d+\]", _compat.cell_name(shell.user_ns["score"].__code__.co_filename))
        assert _compat.cell_name(__file__) is None


def test_whether_matplotlib_shapes_text():
    import matplotlib
    from matplotlib import ft2font

    dependent = "The warning that right-to-left labels are drawn wrong"
    with needed("ft2font.__libraqm_version__", dependent, matplotlib):
        assert ft2font.__freetype_version__  # that there is a module of this kind
        assert _compat.shapes_text() == (tuple(map(int, matplotlib.__version__.split(".")[:2])) >= (3, 11))


def test_a_task_that_reads_for_ray():
    ray = pytest.importorskip("ray")
    with needed("ray.data.block.BlockMetadata", "score_corpus(engine='ray')", ray):
        assert list(_compat.ray_read_task(lambda: iter(["block"]))()) == ["block"]


# --- The file itself.


def test_every_name_has_its_reason_and_the_releases_in_which_it_was_seen():
    tree = ast.parse(inspect.getsource(_compat))
    texts = {node.name: ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    for constant, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(constant, ast.Assign) and isinstance(text, ast.Expr):
            texts[constant.targets[0].id] = text.value.value
    public = {name: text for name, text in texts.items() if not name.startswith("_")}
    assert {"ORIGINAL_MODULE", "IMPLEMENTATION", "open_widgets"} <= public.keys()
    for name, text in public.items():
        assert re.search(r"\bSeen: \w+|See :\w+:", text or ""), f"{name} does not say in which releases it was seen"


def test_no_library_is_imported_with_it():
    libraries = ("torch", "transformers", "accelerate", "ipywidgets", "IPython", "ipykernel", "matplotlib", "ray")
    program = f"import sys, xattn_widget._compat\nprint([name for name in {libraries} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
