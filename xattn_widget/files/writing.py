"""Write files atomically: under a temporary name, renamed once the file is complete."""

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

# Files left behind by a killed process have this suffix.
UNFINISHED = ".writing"
# Files in these folders are open streams of the process. They cannot be replaced by renaming.
_STREAMS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))


@contextmanager
def whole_file(path: str | Path, folder: Path | None = None, *, follow_links: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write and read, which replaces ``path`` when the block ends without an error.

    Until then, and after an error, ``path`` is unchanged. A replaced file keeps its permissions. A device or pipe, such
    as ``/dev/stdout``, is written to directly.

    Args:
        path: the file to write.
        folder: where to keep the unfinished file, on the same disk; next to ``path`` by default.
        follow_links: if ``path`` is a symbolic link, write to its target; otherwise replace the link itself.

    Raises:
        OSError: the file cannot be written. The error names ``path``.
    """
    path = Path(path)
    if path.parent in _STREAMS or (path.exists() and not path.is_file() and not path.is_dir()):
        with path.open("ab") as file:  # appending keeps what the shell has already written
            yield file
        return
    if follow_links:
        path = Path(os.path.realpath(path))
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    replaces = path.is_file() and not path.is_symlink()
    if replaces and not os.access(path, os.W_OK):  # renaming would replace a file that its owner has protected
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    # A random name, so that two writers of one path do not collide; a short one, to stay within path length limits.
    unfinished = (folder or path.parent) / f".{secrets.token_hex(8)}{UNFINISHED}"
    try:
        with unfinished.open("x+b") as file:
            if replaces:
                with contextlib.suppress(OSError):  # not every file system has permissions
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
    """Raise if ``output`` is the same file as one of ``inputs``, also through links.

    Raises:
        ValueError: writing the output would destroy an input.
    """
    for path in inputs:
        with contextlib.suppress(OSError):  # a file that does not exist cannot be overwritten
            if os.path.samefile(output, path):
                raise ValueError(
                    f"{output} is the same file as the input {path} and would overwrite it: choose another output path"
                )
