"""How much memory processes take, as far as the system says."""

from __future__ import annotations

import os
import re
import sys


def peak_memory(process: int) -> int | None:
    """The largest resident size of a living process so far, in bytes.

    None where the system does not say: of another process where it is not Linux, of this one on Windows.
    """
    if process != os.getpid() or sys.platform == "linux":
        return _status(process, "VmHWM")
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def address_space() -> int | None:
    """The address space that this process has now, in bytes; None where it is not Linux."""
    return _status(os.getpid(), "VmSize")


def forget_peak() -> bool:
    """Have ``peak_memory`` of this process start again from now; whether the system does that."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def _status(process: int, entry: str) -> int | None:
    try:
        with open(f"/proc/{process}/status") as status:
            match = re.search(rf"{entry}:\s+(\d+) kB", status.read())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None
