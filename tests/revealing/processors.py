"""What the processor can do, where tests are of an instruction that few have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest


@cache
def _has(feature: str) -> bool:
    """Whether the processor has it; /proc/cpuinfo is there on Linux alone."""
    try:
        return feature in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def has_bfloat16() -> bool:
    """Whether it has AVX512-BF16."""
    return _has("avx512_bf16")


def has_tiles() -> bool:
    """Whether it has AMX-BF16, which multiplies tiles, too."""
    return _has("amx_bf16")


needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="the processor has no AVX512-BF16")
