"""Tensors of torch as arrays, and the package that they are of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.packages import how_to_install


def package() -> Any:
    """The package torch.  Raises MissingPackageError."""
    try:
        import torch
    except ImportError:
        raise MissingPackageError(f"networks of torch need the package torch: {how_to_install('torch')}") from None
    return torch


def numbers(tensor: Any, what: str) -> NDArray[Any]:
    """A tensor as an array of float32 or float64, exactly.  Raises InputError for other numbers, infinities and NaN."""
    torch = package()
    if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16, torch.float64) or tensor.layout != torch.strided:
        raise InputError(f"{what} is {tensor.dtype}; read are dense floating-point tensors")
    wide = tensor if tensor.dtype == torch.float64 else tensor.to(torch.float32)
    array: NDArray[Any] = wide.detach().cpu().numpy().copy()
    if not np.isfinite(array).all() or not math.prod(array.shape):
        raise InputError(f"{what} holds infinities or NaN, or nothing")
    return array
