"""What the processor can do, where tests are of an instruction that few have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest


@cache
def has_bfloat16() -> bool:
    """Whether the processor has AVX512-BF16; /proc/cpuinfo is there on Linux alone."""
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="the processor has no AVX512-BF16")
