"""No file but ``_compat.py`` uses a private or unstable name of another library.

A name that begins with "_" counts as ours if the file that uses it defines it (a function, a class, a variable, or an
attribute that a method sets on ``self``). On ``self``, ``cls`` and ``super()`` it may be defined in another file of the
package too. Names of Python's own types, and names that their library documents, are listed below. Everything else is
somebody else's: attributes, imports, keyword arguments, and strings that consist of names, as for ``getattr``.
"""

import ast
import builtins
import importlib
import inspect
import re
import types
from pathlib import Path

import pytest

import xattn_widget

PACKAGE = Path(xattn_widget.__file__).parent

# Names that begin with "_" and are documented for others to use or to define.
DOCUMENTED = {
    "_repr_mimebundle_": "IPython: how an object is displayed",
    "_esm": "anywidget: the front end of a widget",
    "_css": "anywidget: the style of a widget",
    "_replace": "collections.namedtuple",
    "_fields": "collections.namedtuple",
    "_asdict": "collections.namedtuple",
    "__array__": "numpy: an object as an array, by its interoperability protocol",
    "__libsndfile_version__": "soundfile: the release of libsndfile",
    "__arrow_c_stream__": "Arrow: a table or stream of any library, by the PyCapsule interface",
    "__torch_function__": "torch: what operations on a subclass of Tensor do",
    "__version__": "the release of a package",
    "__metadata__": "safetensors: the key of a file's metadata",
}
# Names that look public and are not documented, or that individual releases have renamed.
UNSTABLE = {
    *("ALL_ATTENTION_FUNCTIONS", "eager_attention_forward", "masking_utils", "weights_map"),
    *("user_ns", "user_ns_hidden", "displayhook", "get_parent", "format_code_name"),
    *("ft2font", "BlockMetadata"),
}
# Strings that begin with "_" and are not names.
TEXTS = {
    "_": "a separator",
    "_ln": "the end of a name",
    "_job.json": "a file that readers of Parquet data sets skip",
    "_manifest.json": "another one",
}
# Python's own: what its types have, and what functions and modules get.
PYTHON = {name for kind in [*vars(builtins).values(), *vars(types).values()] for name in dir(kind)}
PYTHON |= {"__wrapped__", "__copy__", "__deepcopy__", "__main__", "__future__", "__slots__", "__post_init__"}


def is_private(name):
    return name.startswith("_") and name.strip("_") != "" and name not in PYTHON and name not in DOCUMENTED


def definitions(tree):
    """The names that a file defines: functions, classes, variables, and attributes that methods set on ``self``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            yield node.attr


def is_own(owner):
    """Whether an expression is ``self``, ``cls`` or ``super()``."""
    if isinstance(owner, ast.Call):
        owner = owner.func
    return isinstance(owner, ast.Name) and owner.id in ("self", "cls", "super")


def uses(tree):
    """The names that a file uses of something: ``(line, name, whether of self)``; imports and strings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr, is_own(node.value)
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.value.lineno, node.arg, False
        elif isinstance(node, ast.Import | ast.ImportFrom):
            inside = f"{getattr(node, 'module', '')}."
            if not inside.startswith("xattn_widget."):
                for part in [*inside.split("."), *(part for alias in node.names for part in alias.name.split("."))]:
                    yield node.lineno, part, False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in TEXTS:
            for part in node.value.split(".") if re.fullmatch(r"\w+(\.\w+)*", node.value) else ():
                yield node.lineno, part, False


def foreign_names(source, everywhere=frozenset()):
    """Private and unstable names in a source that neither it nor, for attributes of self, the package defines."""
    tree = ast.parse(source)
    here = set(definitions(tree))
    for line, name, own in uses(tree):
        known = here | everywhere if own else here
        if name in UNSTABLE or (is_private(name) and name not in known):
            yield line, name


SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
DEFINED = frozenset(name for source in SOURCES.values() for name in definitions(ast.parse(source)))


@pytest.mark.parametrize("path", sorted(set(SOURCES) - {"_compat.py"}))
def test_no_private_name_of_another_library_is_used(path):
    found = [f"line {line}: {name}" for line, name in foreign_names(SOURCES[path], DEFINED)]
    assert not found, f"{path} uses private or unstable names of other libraries, which belong in _compat.py: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "from torch import _C",
        "import torch._dynamo",
        "from torch._C._dynamo.eval_frame import get_eval_frame_callback",
        "from ipywidgets.widgets.widget import _instances",
        "model._parameters['weight']",
        "getattr(module, '_hf_hook', None)",
        "'torch._dynamo' in sys.modules",
        "monkeypatch.setattr('torch.compiler._stance', 1)",
        "vars(tokenizer).update(_switch_to_input_mode=None)",
        "tensor.__tensor_flatten__()",
        "config._attn_implementation = 'eager'",
        "class Config:\n    def read(self):\n        return self._attn_implementation",
        "from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS",
        "names.get('ALL_ATTENTION_FUNCTIONS')",
    ],
)
def test_a_private_name_is_noticed(source):
    assert list(foreign_names(source))


def test_our_own_and_pythons_names_are_not_meant():
    source = (
        "from xattn_widget._version import __version__\n_seen = {}\nfunction.__code__\nrow._replace(a=1)\n"
        "class One:\n    def __init__(self):\n        self._a = getattr(self, '__dict__')\n"
        "def make(one):\n    return one._a, self._defined_in_a_base\n"
    )
    assert list(foreign_names(source, {"_defined_in_a_base"})) == []


def test_no_class_overrides_a_private_name_of_another_library():
    for path, source in SOURCES.items():
        dotted = path.removesuffix(".py").replace("/", ".").removesuffix("__init__").strip(".")
        if dotted == "__main__":
            continue
        module = importlib.import_module(f"xattn_widget.{dotted}".strip("."))
        for node in ast.walk(ast.parse(source)):
            kind = vars(module).get(node.name) if isinstance(node, ast.ClassDef) else None
            if not inspect.isclass(kind):
                continue
            body = {name for part in node.body for name in definitions(part)}
            for base in kind.__mro__[1:]:
                if not base.__module__.startswith("xattn_widget"):
                    both = {name for name in body & set(vars(base)) if is_private(name)}
                    assert not both, f"{path}: {kind.__name__} overrides {both} of {base.__module__}.{base.__name__}"
