"""torch: torch.nn.functional.linear, which nn.Linear calls, or the operator @."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fpsynth.formats import FORMATS, Format
from fpsynth.libraries.base import Array, CannotRun, Layer, Library, Model, Operation, Outputs
from fpsynth.libraries.machine import limit_threads
from fpsynth.libraries.operands import BORDER, filters, images, numpy_dtype, placed

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Kernel


class Torch(Library):
    """``linear``: functional.linear(rows, weight, bias).  ``matmul``: rows @ weight.T + bias.

    torch has linear and @ for 8-bit formats, but no ReLU, addition or argmax: there the class is that of the logits widened
    to float32, which is exact.
    """

    name = "torch"
    packages = ("torch",)
    variants = ("linear", "matmul")
    primitives = ("sum", "vdot", "conv2d")
    devices = ("cpu", "cuda")

    def load(self, device: str, threads: int | None = None) -> None:
        """Import torch.  Raises CannotRun where it sees no GPU though one is asked for."""
        limit_threads(threads)
        import torch

        if threads is not None:
            torch.set_num_threads(threads)

        if device == "cuda" and not torch.cuda.is_available():
            raise CannotRun("this build of torch sees no GPU")

    def describe(self, device: str) -> dict[str, str]:
        """Versions of MKL and oneDNN, the instruction set torch chose, threads; on a GPU its name and whether TF32 is on."""
        import torch

        built = [line.strip(" -") for line in torch.__config__.show().splitlines()]
        facts = {
            "built_with": "; ".join(line for line in built if "Math Kernel" in line or "MKL-DNN" in line or "oneDNN" in line),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": str(torch.get_num_threads()),
            "mkldnn": str(torch.backends.mkldnn.is_available()),
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
        }
        if device == "cuda":
            facts |= {
                "gpu": torch.cuda.get_device_name(),
                "cuda": str(torch.version.cuda),
                "tf32": str(torch.backends.cuda.matmul.allow_tf32),
            }
        return facts

    def operand(self, values: object, dtype: Format) -> Any:
        """Nested numbers as a tensor in the CPU's memory (numpy has no array of bfloat16 without ml_dtypes)."""
        import torch

        wide = torch.tensor(values, dtype=torch.float64)
        tensor = wide.to(getattr(torch, dtype.name))
        if not torch.equal(tensor.to(torch.float64).nan_to_num(nan=0.5), wide.nan_to_num(nan=0.5)):
            raise CannotRun(f"the network or the points hold numbers that are not {dtype.name}")
        return tensor

    def model(self, layers: Sequence[Layer], dtype: Format, variant: str, device: str, offset: int | None = None) -> Model:
        """Weights are kept one row per output, as nn.Linear does."""
        import torch

        held = [
            (_tensor(weight, device, offset), None if bias is None else _tensor(bias, device, offset))
            for weight, bias in layers
        ]

        def forward(rows: Any) -> Any:
            values = _tensor(rows, device, offset)
            with torch.inference_mode():
                for index, (weight, bias) in enumerate(held):
                    values = torch.relu(values) if index else values
                    if variant == "linear":
                        values = torch.nn.functional.linear(values, weight, bias)
                    else:
                        values = values @ weight.T
                        values = values if bias is None else values + bias
            return values

        return forward

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """torch.sum of a vector, or over dimension 1 of a batch; torch.dot; torch.nn.functional.conv2d, channels first."""
        import torch

        device = kernel.environment.device

        def total(rows: Array, weights: Array, bias: Array | None) -> Array:
            values = _tensor(rows, device, offset)
            return self.numbers((torch.sum(values, dim=1) if len(values) > 1 else torch.sum(values[0])).reshape(-1, 1))

        def product(rows: Array, weights: Array, bias: Array | None) -> Array:
            return self.numbers(torch.dot(_tensor(rows[0], device, offset), _tensor(weights[0], device, offset)).reshape(1, 1))

        def convolution(rows: Array, weights: Array, bias: Array | None) -> Array:
            added = None if bias is None else _tensor(bias, device, offset)
            with torch.inference_mode():
                maps = torch.nn.functional.conv2d(
                    _tensor(images(rows), device, offset), _tensor(filters(weights), device, offset), added
                )
            return self.numbers(maps[:, :, BORDER, BORDER].contiguous())

        return {"sum": total, "vdot": product, "conv2d": convolution}[kernel.environment.operation]

    def numbers(self, tensor: Any) -> Array:
        """The tensor's own memory as an array, where it is on the CPU."""
        return _array(tensor.cpu())

    def outputs(self, tensor: Any, dtype: Format) -> Outputs:
        """The logits and torch.argmax."""
        import torch

        classes = torch.argmax(tensor if dtype.bits > 8 else tensor.to(torch.float32), dim=1).tolist()
        if tensor.dtype != getattr(torch, dtype.name):
            raise CannotRun(f"the result for {dtype.name} comes back in {tensor.dtype}")
        return Outputs(tuple(tuple(row) for row in tensor.cpu().to(torch.float64).tolist()), tuple(classes))


def _array(tensor: Any) -> Array:
    import torch

    name = str(tensor.dtype).removeprefix("torch.")
    plain = name in ("float16", "float32", "float64")
    found: Array = (tensor if plain else tensor.view(torch.int16 if tensor.itemsize == 2 else torch.int8)).numpy()
    return found if plain else found.view(numpy_dtype(FORMATS[name]))


def _tensor(values: Any, device: str, offset: int | None) -> Any:
    """A copy of an array or a tensor in memory that torch allocates: on the CPU that begins at a multiple of 64 bytes.

    torch.from_numpy would keep numpy's address, upon which MKL's order of summation depends.
    """
    import torch

    if offset is not None and device != "cpu":
        raise CannotRun("addresses can only be chosen on the CPU")
    tensor = values if isinstance(values, torch.Tensor) else _shared(values if offset is None else placed(values, offset))
    if device != "cpu":
        return tensor.to(device)
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor) if offset is None else tensor


def _shared(array: Array) -> Any:
    """The array's memory as a tensor."""
    import torch

    if array.dtype.name in ("float16", "float32", "float64"):
        return torch.from_numpy(array)
    dtype = getattr(torch, array.dtype.name)
    return torch.from_numpy(array.view("i2" if array.dtype.itemsize == 2 else "i1")).view(dtype)
