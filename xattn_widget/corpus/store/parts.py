"""The folder beside an unfinished output: its name, its lock and its files, none of them reached through a link."""

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

from filelock import lock_descriptor

from xattn_widget.files.writing import UNFINISHED

_ENDING = ".parts"
# The longest file name that common file systems allow, in bytes.
_LONGEST_NAME = 255
_WINDOW = re.compile(r"window-(\d{8})\.parquet")
# How often to try again when another call removes the folder while this one opens it.
_TRIES = 100
# Windows cannot remove an open file: the lock file stays until the lock is released, and the one on the disk is the one
# that was opened.
_OPEN_FILES_STAY = os.name == "nt"


def parts_folder(output: Path) -> Path:
    """The folder for the parts of an unfinished output; if the output is a link, beside the file it points to."""
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
    """The window files in the folder, by window number."""
    matches = ((_WINDOW.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}


def manifest_path(folder: Path) -> Path:
    """The file that describes the job."""
    return folder / "manifest.json"


def open_inside(path: str, flags: int) -> int:
    """Open a regular file in the folder; an opener for ``open``.

    Raises:
        OSError: the path is a link, a pipe or a folder.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        if not hasattr(os, "O_NOFOLLOW") and os.path.islink(path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
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
    """The folder of an output, created if necessary and locked; removes what a killed call left behind.

    Raises:
        BlockingIOError: another call is scoring to the output.
        OSError: the folder cannot be written to or locked, or files cannot be moved out of it.
    """
    folder = parts_folder(output)
    lock = next((lock for _ in range(_TRIES) if (lock := _lock(folder, output))), None)
    if lock is None:
        raise _busy(output)
    with lock:
        for leftover in folder.glob(f"*{UNFINISHED}"):
            with suppress(OSError):  # a folder with this name belongs to someone else
                leftover.unlink()
        _check_moving(folder)
        yield folder
    if _OPEN_FILES_STAY and not manifest_path(folder).exists():
        _remove_lock(folder)  # fails if another call has opened it meanwhile, as it should


def remove_parts(folder: Path) -> None:
    """Remove a job's files from its folder, the lock last, and then the folder if it is empty.

    Another call may do the same, or open the folder again, at the same time.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in [*window_paths(folder).values(), *folder.glob(f"*{UNFINISHED}"), manifest_path(folder)]:
        with suppress(OSError):
            path.unlink()
    _remove_lock(folder)


def _remove_lock(folder: Path) -> None:
    with suppress(OSError):
        (folder / "lock").unlink()
    with suppress(OSError):
        folder.rmdir()


def discard_parts(output: Path) -> None:
    """Remove what a call left behind if it was killed after completing its output, unless another call is doing so."""
    if parts_folder(output).is_dir():
        with suppress(BlockingIOError), locked_parts(output) as folder:
            remove_parts(folder)


def _lock(folder: Path, output: Path) -> IO[bytes] | None:
    """The lock file, locked; None if another call has removed it in the meantime.

    Closing the file releases the lock, and so does the end of the process, however it ends.
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
        try:
            locked = lock_descriptor(lock.fileno(), blocking=False)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot lock {path}: {error.strerror}. Write to a disk whose file system has file locks"
            ) from error
        if not locked:
            raise _busy(output)
        with suppress(FileNotFoundError):
            if _OPEN_FILES_STAY or os.path.samestat(os.fstat(lock.fileno()), os.lstat(path)):
                os.utime(path)  # shows when the last call began
                stack.pop_all()
                return lock
    return None


def _busy(output: Path) -> BlockingIOError:
    return BlockingIOError(
        errno.EWOULDBLOCK, f"another process is scoring to {output}: wait for it, or write to another path"
    )


def _check_moving(folder: Path) -> None:
    """Move a file out of the folder, so that the last step of a job, which does the same, cannot fail after hours."""
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
