"""Write a file whole or not at all: under a temporary name beside its own, renamed once it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# What a process that was killed leaves behind ends with this.
UNFINISHED = ".writing"
# Files in these folders are what the process has open, and not names that could be given to another file.
_STREAMS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))


@contextmanager
def whole_file(path: str | Path, folder: Path | None = None, *, follow_links: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write and read, which takes the place of ``path`` when the block ends without an error.

    Until then, and after an error, ``path`` is what it was. The permissions of a file that is replaced are kept. A
    device or pipe, such as ``/dev/stdout``, is written to directly.

    Args:
        path: the file to write.
        folder: where the unfinished file is, on the same disk; beside ``path`` when left out.
        follow_links: write to the file that a link at ``path`` names; otherwise the link itself is replaced.

    Raises:
        OSError: the file cannot be written. The error names ``path``.
    """
    path = Path(path)
    if path.parent in _STREAMS or (path.exists() and not path.is_file() and not path.is_dir()):
        with path.open("ab") as file:  # appending leaves what the shell has written there
            yield file
        return
    if follow_links:
        path = Path(os.path.realpath(path))
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    replaces = path.is_file() and not path.is_symlink()
    if replaces and not os.access(path, os.W_OK):  # renaming would replace what its owner has protected
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    # A random name, so that two writers of one path do not share it, and a short one, so that a long path has room.
    unfinished = (folder or path.parent) / f".{secrets.token_hex(8)}{UNFINISHED}"
    try:
        with unfinished.open("x+b") as file:
            if replaces:
                with contextlib.suppress(OSError):  # not every disk has permissions
                    shutil.copymode(path, unfinished)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(unfinished)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def refuse_to_overwrite(output: str | Path, *inputs: str | Path) -> None:
    """Raise unless ``output`` is a different file from all ``inputs``, whatever links lead to them.

    Raises:
        ValueError: writing the output would destroy an input.
    """
    for path in inputs:
        with contextlib.suppress(OSError):  # a file that does not exist is not another one
            if os.path.samefile(output, path):
                raise ValueError(f"{output} is the input {path} itself, which it would overwrite: name another output")
