"""Standard input, output and error as they may be found: closed, full, or unable to say what should be said."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO


def open_closed() -> None:
    """Occupy what the caller has closed (``2>&-``): else the next file that is opened becomes it, and gets our messages.

    Standard error then leads nowhere; writing to standard output fails as it does where it is closed.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, flags)  # the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def say(text: str, end: str = "\n") -> bool:
    """Print on standard error, whatever state it is in; return whether it is still of use."""
    try:
        sys.stderr.write(text + end)
        sys.stderr.flush()
    except (OSError, ValueError):  # full, gone or closed: there is nobody to tell
        discard(sys.stderr)
        return False
    return True


def put(text: str) -> None:
    """Print on standard output; characters that it cannot show are escaped.  Raises OSError where it cannot be written."""
    out = sys.stdout
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        out.flush()
    except ValueError as error:  # closed by someone in this process
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error


def discard(stream: TextIO) -> None:
    """Send what is still buffered, and what is yet to come, nowhere: at exit it would fail once more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
    except (OSError, ValueError):  # no descriptor of its own, or closed: nothing is written at exit
        return
