"""The folder beside an unfinished output: its name, its lock, and what is in it, never reached through links."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from xattn_widget.files.writing import UNFINISHED

_ENDING = ".parts"
# The longest name that common file systems take, in bytes.
_LONGEST_NAME = 255
_WINDOW = re.compile(r"window-(\d{8})\.parquet")
# How often to look again where another call removes the folder while it is opened.
_TRIES = 100


def parts_folder(output: Path) -> Path:
    """The folder that holds an unfinished output, beside the file that a link names."""
    output = Path(os.path.realpath(output))
    name = output.name + _ENDING
    if len(os.fsencode(name)) > _LONGEST_NAME:
        content = os.fsencode(output.name)
        ending = f"-{hashlib.blake2b(content, digest_size=8).hexdigest()}{_ENDING}"
        name = content[: _LONGEST_NAME - len(ending)].decode(errors="ignore") + ending
    return output.with_name(name)


def window_path(folder: Path, number: int) -> Path:
    """The file of a window."""
    return folder / f"window-{number:08}.parquet"


def window_paths(folder: Path) -> dict[int, Path]:
    """The files of the windows that are there, by number."""
    matches = ((_WINDOW.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}


def manifest_path(folder: Path) -> Path:
    """The file that says what is computed."""
    return folder / "manifest.json"


def open_inside(path: str, flags: int) -> int:
    """Open a regular file of the folder, as an opener for ``open``.

    Raises:
        OSError: there is a link, a pipe or a folder in its place.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, f"{path} is a link, which is not followed: remove it") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path} is not a regular file: remove it")
    return descriptor


@contextmanager
def locked_parts(output: Path) -> Iterator[Path]:
    """The folder of an output, made if need be, for this call alone. What a killed call did not finish is removed.

    Raises:
        BlockingIOError: another call is scoring to the output.
        OSError: the folder cannot be written to, or files cannot be moved out of it.
    """
    folder = parts_folder(output)
    lock = next((lock for _ in range(_TRIES) if (lock := _lock(folder, output))), None)
    if lock is None:
        raise _busy(output)
    with lock:
        for left in folder.glob(f"*{UNFINISHED}"):
            with suppress(OSError):  # a folder of that name is someone else's
                left.unlink()
        _check_moving(folder)
        yield folder


def remove_parts(folder: Path) -> None:
    """Remove what a job keeps in its folder, the lock last, and the folder if nothing else is in it.

    Another call may do so at the same time, or open the folder anew.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    lock = folder / "lock"
    left = [*window_paths(folder).values(), *folder.glob(f"*{UNFINISHED}"), manifest_path(folder), lock]
    for path in left:
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()


def discard_parts(output: Path) -> None:
    """Remove what a call left that was killed after its output was complete, unless another call is doing so."""
    if parts_folder(output).is_dir():
        with suppress(BlockingIOError), locked_parts(output) as folder:
            remove_parts(folder)


def _lock(folder: Path, output: Path) -> IO[bytes] | None:
    """The lock file, locked; None where another call removed it meanwhile.

    The lock is released when the file is closed, however the process ends.
    """
    try:
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, which is not followed: remove it")
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"cannot write to the folder {folder}: {error.strerror}") from error
    path = folder / "lock"
    try:
        lock = open(path, "ab", opener=open_inside)  # noqa: SIM115
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OSError(error.errno, f"cannot write to the folder {folder}: {error.strerror}") from error
    with ExitStack() as stack:
        stack.enter_context(lock)
        _take(lock, output)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), os.lstat(path)):
                os.utime(path)  # it shows when the last call began
                stack.pop_all()
                return lock
    return None


def _take(lock: IO[bytes], output: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on this system
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(output) from None
    except OSError as error:
        raise OSError(error.errno, f"cannot lock {lock.name}: {error.strerror}") from error


def _busy(output: Path) -> BlockingIOError:
    return BlockingIOError(errno.EWOULDBLOCK, f"another process is scoring to {output}")


def _check_moving(folder: Path) -> None:
    """Try what the last step of a job does, so that it cannot fail there: move a file out of the folder."""
    name = f".{secrets.token_hex(8)}{UNFINISHED}"
    inside, outside = folder / name, folder.with_name(name)
    try:
        inside.touch()
        os.rename(inside, outside)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot move a file from {folder} to {folder.parent} ({error.strerror or error}), as the last step does: "
            f"both must be on one disk, and writable. Remove {folder.name}, or write to another path",
        ) from error
    finally:
        for path in (inside, outside):
            path.unlink(missing_ok=True)
