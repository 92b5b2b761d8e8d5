"""Which folders of the package may import which, and that the test folders match them."""

import ast
from pathlib import Path

import pytest

import xattn_widget

PACKAGE = Path(xattn_widget.__file__).parent
TESTS = Path(__file__).parent
# Each folder or module may import only those above it and modules in its own folder.
ORDER = [
    "_version",
    "_compat",
    "messages",
    "files",
    "record",
    "capturing",
    "inputs",
    "scores",
    "alignment",
    "plot",
    "panel",
    "cross_attention",
    "extraction",
    "corpus",
    "widget",
    "demo",
    "cli",
]
# The same order inside the corpus folder.
CORPUS = [
    "sources",
    "duplicates",
    "memory",
    "fingerprints",
    "job",
    "precision",
    "store",
    "quantities",
    "engine",
    "selecting",
    "comparing",
    "detecting",
    "scoring",
    "display",
    "aggregates",
    "opening",
    "profile_content",
    "profiles",
    "profiling",
]
# Entry points, which may import everything.
ENTRY_POINTS = ("__init__", "__main__")


def modules():
    """Return the package's files by module name, without the package's own name."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def imported(path, known):
    """Yield the modules of the package that a file imports, also inside functions and for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [(alias.name, alias.name) for alias in node.names]
        for full, module in names:
            if f"{module}.".startswith("xattn_widget."):
                full, module = (name.removeprefix("xattn_widget").removeprefix(".") for name in (full, module))
                yield full if full in known else module or "__init__"


KNOWN = modules()
EDGES = {name: set(imported(path, KNOWN)) for name, path in KNOWN.items()}


def test_the_top_level_has_only_the_planned_modules_and_folders():
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert names == {*ORDER, *ENTRY_POINTS}


@pytest.mark.parametrize("name", sorted(set(KNOWN) - set(ENTRY_POINTS)))
def test_imports_go_in_one_direction(name):
    top = name.split(".")[0]
    for other in EDGES[name]:
        assert other.split(".")[0] in ORDER[: ORDER.index(top) + 1], f"{name} imports {other}"


@pytest.mark.parametrize("name", sorted(name for name in KNOWN if name.startswith("corpus.")))
def test_imports_inside_the_corpus_folder_go_in_one_direction(name):
    part = name.split(".")[1]
    for other in EDGES[name]:
        if other.startswith("corpus."):
            assert other.split(".")[1] in CORPUS[: CORPUS.index(part) + 1], f"{name} imports {other}"
        assert other != "corpus", f"{name} imports the folder that it is in"


def test_there_are_no_import_cycles():
    """Imports for types and inside functions count too."""
    remaining = {name: imports & set(EDGES) - {name} for name, imports in EDGES.items()}
    while leaves := {name for name, imports in remaining.items() if not imports & set(remaining)}:
        remaining = {name: imports for name, imports in remaining.items() if name not in leaves}
    assert not remaining


def test_test_folders_match_those_of_the_package():
    extra_folders = {"browser", "benchmarks", "helpers"}
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("*/test_*.py")} - extra_folders
    assert folders <= {name for name in ORDER if (PACKAGE / name).is_dir()}


def test_no_file_is_too_long():
    sources = [*PACKAGE.rglob("*.py"), *TESTS.rglob("*.py")]
    assert [path.name for path in sources if path.read_text(encoding="utf-8").count("\n") > 410] == []
