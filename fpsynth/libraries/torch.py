"""torch: torch.nn.functional.linear, which nn.Linear calls, or the operator @."""

from __future__ import annotations

from typing import Any

from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Outputs, Rows, Runner
from fpsynth.networks.network import Network


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

    def load(self, device: str) -> None:
        """Import torch.  Raises CannotRun where it sees no GPU though one is asked for."""
        import torch

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

    def prepare(self, network: Network[float], dtype: Format, variant: str, device: str) -> Runner:
        """Weights are kept one row per output, as nn.Linear does."""
        import torch

        layers = [
            (_tensor(layer.weight, dtype, device), None if layer.bias is None else _tensor(layer.bias, dtype, device))
            for layer in network.layers
        ]

        def run(rows: Rows) -> Outputs:
            values = _tensor(rows, dtype, device)
            with torch.inference_mode():
                for index, (weight, bias) in enumerate(layers):
                    if variant == "linear":
                        values = torch.nn.functional.linear(values, weight, bias)
                    else:
                        values = values @ weight.T
                        values = values if bias is None else values + bias
                    if index + 1 < len(layers):
                        values = torch.relu(values)
                comparable = values if dtype.bits > 8 else values.to(torch.float32)
                classes = torch.argmax(comparable, dim=1).tolist()
                logits = values.cpu().to(torch.float64).tolist()
            if values.dtype != _dtype(dtype):
                raise CannotRun(f"the result for {dtype.name} comes back in {values.dtype}")
            return Outputs(tuple(tuple(row) for row in logits), tuple(classes))

        return run


def _dtype(dtype: Format) -> Any:
    import torch

    return getattr(torch, dtype.name)


def _tensor(values: object, dtype: Format, device: str) -> Any:
    """Nested numbers as a tensor.  Raises CannotRun where one of them is not of that format."""
    import torch

    wide = torch.tensor(values, dtype=torch.float64)
    tensor = wide.to(_dtype(dtype))
    if not torch.equal(tensor.to(torch.float64).nan_to_num(nan=0.5), wide.nan_to_num(nan=0.5)):
        raise CannotRun(f"the network or the points hold numbers that are not {dtype.name}")
    return tensor.to(device)
