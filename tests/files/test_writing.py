"""Files are written completely or not at all, and never over their own inputs."""

import os
from pathlib import Path

import pytest

from xattn_widget.files.writing import refuse_to_overwrite, whole_file

posix = pytest.mark.skipif(os.name == "nt", reason="permissions, devices, or the system's messages")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["table.csv"]


@posix
def test_a_finished_file_replaces_the_old_one_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 248 + ".csv")
    path.write_text("before")
    path.chmod(0o640)
    with whole_file(path) as file:
        file.write(b"after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == [path.name]


def test_a_link_is_followed_and_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "real.csv", tmp_path / "link.csv"
    path.write_text("before")
    link.symlink_to(path)
    with whole_file(link) as file:
        file.write(b"after")
    assert link.is_symlink()
    assert path.read_text() == "after"


def test_a_link_is_replaced_if_asked(tmp_path: Path) -> None:
    path, link = tmp_path / "real.csv", tmp_path / "link.csv"
    path.write_text("before")
    link.symlink_to(path)
    with whole_file(link, follow_links=False) as file:
        file.write(b"after")
    assert not link.is_symlink()
    assert (link.read_text(), path.read_text()) == ("after", "before")


def test_a_dangling_link_creates_its_target(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    with whole_file(tmp_path / "link.csv") as file:
        file.write(b"new")
    assert (tmp_path / "real.csv").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "real.csv"]


def write(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"new")


@posix
def test_errors_name_the_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "folder").mkdir()
    paths = {"a": "symbolic links", "folder": "Is a directory", "none/x": "No such file", "n" * 256: "too long"}
    for name, message in paths.items():
        with pytest.raises(OSError, match=message) as raised:
            write(tmp_path / name)
        assert str(tmp_path) in str(raised.value)
        assert ".writing" not in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "folder"]


def test_a_file_without_write_permission_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who can write to any file
    with pytest.raises(PermissionError, match=r"table\.csv"):
        write(path)
    assert path.read_text() == "before"


def test_a_full_disk_or_an_interrupt_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        for name in ("fsync", "replace"):

            def fail(*args: object, error: BaseException = error) -> None:
                raise error

            with monkeypatch.context() as patched:
                patched.setattr(os, name, fail)
                with pytest.raises(type(error)) as raised:
                    write(path)
            assert isinstance(error, KeyboardInterrupt) or str(path) in str(raised.value)
            assert path.read_text() == "before"
            assert os.listdir(tmp_path) == ["table.csv"]


@posix
def test_streams_can_be_written(tmp_path: Path) -> None:
    """A device, a pipe, and a file that is open for appending."""
    with whole_file("/dev/null") as file:
        file.write(b"gone")
    assert not Path("/dev/null").is_file()
    read, write = os.pipe()
    with whole_file(f"/dev/fd/{write}") as file:
        file.write(b"through")
    assert os.read(read, 100) == b"through"
    os.close(read)
    os.close(write)
    (tmp_path / "log").write_text("before ")
    with (tmp_path / "log").open("ab") as log, whole_file(f"/dev/fd/{log.fileno()}") as file:
        file.write(b"after")
    assert (tmp_path / "log").read_text() == "before after"


def test_an_output_that_is_also_an_input_is_refused(tmp_path: Path) -> None:
    path, link = tmp_path / "scored.parquet", tmp_path / "link.parquet"
    path.write_text("table")
    link.symlink_to(path)
    for output in (path, link, tmp_path / "." / "scored.parquet"):
        with pytest.raises(ValueError, match="choose another output path"):
            refuse_to_overwrite(output, path)
    refuse_to_overwrite(tmp_path / "new.csv", path)
