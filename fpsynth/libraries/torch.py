"""torch: torch.nn.functional.linear, which nn.Linear calls, or the operator @."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import Array
from fpsynth.formats import FORMATS, Format
from fpsynth.libraries.base import CannotRun, Library, Model, Operation, Outputs, one_line
from fpsynth.libraries.calls import BOTH, Called
from fpsynth.libraries.cudnn import ALGORITHMS, Cudnn, load_cudnn
from fpsynth.libraries.machine import cuda_libraries, cuda_variables, gpu, limit_threads
from fpsynth.libraries.operands import BORDER, dtype_name, filters, images, numpy_dtype, part, placed, stored

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Forward, LayerStep, Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.libraries.layer_table import LayerTable
    from fpsynth.networks.layers import Layer
    from fpsynth.networks.network import Network


class Torch(Library):
    """``linear``: functional.linear, as nn.Linear calls it.  ``matmul``: the operator @, and + for the bias.

    torch has linear and @ for 8-bit formats, but no ReLU, addition or argmax: there the class is that of the logits widened
    to float32, which is exact.
    """

    name = "torch"
    packages = ("torch",)
    variants = ("linear", "matmul")
    primitives = ("sum", "vdot", "conv2d")
    calls = MappingProxyType(
        {
            "linear": Called(
                "torch.nn.functional.linear({x}, {V})",
                "torch.nn.functional.linear({x}, {V}, b)",
                layouts=BOTH,
                strided=True,
                tried=("NN",),
            ),
            "matmul": Called("{x} @ {W}", layouts=BOTH, strided=True, tried=("NN",)),
            "sum": Called("torch.sum({x}, dim=1)", one_row="torch.sum({x}[0])", layouts=("N", "T"), strided=True),
            "vdot": Called("torch.dot(x[0], W[0])"),
            "conv2d": Called("torch.nn.functional.conv2d(x, W)", "torch.nn.functional.conv2d(x, W, b)", images="NCHW"),
        }
    )
    other_names = MappingProxyType({"dot": "vdot"})
    devices = ("cpu", "cuda")
    takes_patterns = True
    switches = MappingProxyType(
        {
            "accumulate": ("float32", "float16"),
            "compile": ("off", "on"),
            "cudnn": ("default", "off", "benchmark", *ALGORITHMS),
            "deterministic": ("off", "on"),
            "reduced": ("on", "off"),
            "tf32": ("off", "on"),
        }
    )
    """``accumulate``: of float16 products.  ``cudnn``: off, choosing by timing, or one algorithm of conv2d.  ``reduced``:
    whether cuBLAS may add partial sums in float16 and bfloat16.  ``tf32`` sets products and convolutions alike: by itself
    torch allows TF32 in convolutions only."""
    switch_devices = MappingProxyType(dict.fromkeys(("accumulate", "cudnn", "reduced", "tf32"), "cuda"))
    _compiled = False
    _algorithm = ""
    _cudnn: Cudnn | None = None

    def __init__(self) -> None:
        self._programs: dict[tuple[Any, ...], Forward] = {}

    def variables(self, switches: Mapping[str, str]) -> Mapping[str, str]:
        """Deterministic algorithms need cuBLAS's workspace fixed before CUDA starts; one compiler process is enough."""
        fixed = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} if switches.get("deterministic") == "on" else {}
        compiling = {"TORCHINDUCTOR_COMPILE_THREADS": "1"} if switches.get("compile") == "on" else {}
        return {name: os.environ.get(name, value) for name, value in {**fixed, **compiling}.items()}

    def load(self, device: str, threads: int | None = None) -> None:
        """Import torch; on a GPU, multiply there once.  Raises CannotRun where there is none that it can use."""
        limit_threads(threads)
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        if device != "cuda":
            return
        if not torch.cuda.is_available():
            raise CannotRun(f"this build of torch ({torch.__version__}, CUDA {torch.version.cuda}) sees no GPU")
        try:
            one = torch.ones((1, 1), device=device)
            (one @ one).cpu()
        except RuntimeError as error:
            raise CannotRun(f"torch cannot use the GPU: {one_line(error)}") from None

    def switch(self, name: str, value: str, device: str) -> None:
        """Set one of ``switches``.  Raises CannotRun where this torch has not got it."""
        import torch

        if name == "tf32":
            _allow_tf32(value == "on")
        elif name == "deterministic":
            torch.use_deterministic_algorithms(value == "on")
        elif name == "compile":
            self._compiled = value == "on"
        elif name == "reduced":
            torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = value == "on"
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = value == "on"
        elif name == "accumulate":
            if not hasattr(torch.backends.cuda.matmul, "allow_fp16_accumulation"):
                raise CannotRun(f"torch {torch.__version__} has no float16 accumulation (2.7 has)")
            torch.backends.cuda.matmul.allow_fp16_accumulation = value == "float16"
        else:
            torch.backends.cudnn.enabled = value != "off"
            torch.backends.cudnn.benchmark = value == "benchmark"
            self._algorithm = value if value in ALGORITHMS else ""

    def objection(self, operation: str, device: str, switches: Mapping[str, str]) -> str:
        """Algorithms of cuDNN are for conv2d."""
        if switches.get("cudnn") in ALGORITHMS and operation != "conv2d":
            return f"cudnn={switches['cudnn']} is for torch's conv2d only"
        if switches.get("cudnn") in ALGORITHMS and switches.get("compile") == "on":
            return f"cudnn={switches['cudnn']} is called directly and cannot be compiled: leave out compile=on"
        return super().objection(operation, device, switches)

    def describe(self, device: str) -> dict[str, str]:
        """Versions of MKL and oneDNN, the instruction set torch chose, threads; the GPU, CUDA's libraries and every switch."""
        import torch

        built = [line.strip(" -") for line in torch.__config__.show().splitlines()]
        facts = {
            "built_with": "; ".join(line for line in built if "Math Kernel" in line or "MKL-DNN" in line or "oneDNN" in line),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": str(torch.get_num_threads()),
            "mkldnn": str(torch.backends.mkldnn.is_available()),
            "float32_matmul_precision": _told(torch.get_float32_matmul_precision),
        }
        if self._compiled:
            facts["compile"] = "on"
        return {**facts, **_cuda_facts(), "cudnn_algorithm": self._algorithm or "cuDNN chooses"} if device == "cuda" else facts

    def operand(self, values: object, dtype: Format) -> Any:
        """Nested numbers as a tensor in the CPU's memory (numpy has no array of bfloat16 without ml_dtypes)."""
        import torch

        wide = torch.tensor(values, dtype=torch.float64)
        tensor = wide.to(getattr(torch, dtype.name))
        if not torch.equal(tensor.to(torch.float64).nan_to_num(nan=0.5), wide.nan_to_num(nan=0.5)):
            raise CannotRun(f"the network or the points hold numbers that are not {dtype.name}")
        return tensor

    def model(
        self,
        network: Network,
        numbers: Numbers,
        dtype: Format,
        variant: str,
        device: str,
        offset: int | None = None,
        layout: str = "",
    ) -> Model:
        """Weights are kept one row per output, as nn.Linear does, where no layout says otherwise."""

        import torch

        from fpsynth.libraries.graphs import HeldModel, require_flat, shaped
        from fpsynth.libraries.torch_layers import table
        from fpsynth.networks.layers import Dense

        first, second = self.layout_of(variant, layout)
        functions = table(variant, second[0] == "T")
        functions.require(network)
        require_flat(network, first)
        compute = self._program(network, functions, (variant, first[0] == "T", second[0] == "T"))

        def hold(layer: Layer, tensors: Sequence[Any]) -> Sequence[Any]:
            if isinstance(layer, Dense):
                weight, bias = tensors
                return _tensor(weight.T, device, offset, second), None if bias is None else _tensor(bias, device, offset)
            return [None if tensor is None else _tensor(tensor, device, offset) for tensor in tensors]

        def run(rows: Any, held: Mapping[str, Sequence[Any]]) -> Any:
            with torch.inference_mode():
                return compute(_tensor(shaped(rows, network), device, offset, first), held)

        return HeldModel(network, hold, run).put(numbers)

    def _program(self, network: Network, functions: LayerTable[LayerStep], way: tuple[str, bool, bool]) -> Forward:
        """What computes a network, or any of its structure, perhaps compiled: once for each, and each way of dense layers."""

        from fpsynth.libraries.graphs import forward, structure_key
        from fpsynth.libraries.torch_layers import poolings

        key = structure_key(network), way
        if key not in self._programs:
            plain = forward(network, functions, poolings(network))
            turned = (lambda values, held: plain(values.T, held)) if way[1] else plain
            self._programs[key] = self._function(turned)
        return self._programs[key]

    def _function(self, plain: Any) -> Any:
        """A function of tensors as it is, or compiled."""
        return _compiled(plain) if self._compiled else plain

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """torch.sum of a vector, or over dimension 1 of a batch; torch.dot; torch.nn.functional.conv2d, channels first."""
        import torch

        device = kernel.environment.device
        first, _ = self.layout_of("sum", kernel.environment.layout if kernel.environment.operation == "sum" else "")

        def total(rows: Array, weights: Array, bias: Array | None) -> Any:
            values = _tensor(rows, device, offset, first)
            values = values.T if first[0] == "T" else values
            return self._function(_total)(values if len(rows) > 1 else values[0])

        def product(rows: Array, weights: Array, bias: Array | None) -> Any:
            return self._function(torch.dot)(_tensor(rows[0], device, offset), _tensor(weights[0], device, offset))

        def convolution(rows: Array, weights: Array, bias: Array | None) -> Any:
            pixels, kernels = _tensor(images(rows), device, offset), _tensor(filters(weights), device, offset)
            added = None if bias is None else _tensor(bias, device, offset)
            if self._algorithm:
                maps = self._convolved(pixels, kernels)
                maps = maps if added is None else maps + added.reshape(-1, 1, 1)
            else:
                maps = self._function(torch.nn.functional.conv2d)(pixels, kernels, added)
            return maps[:, :, BORDER, BORDER].contiguous()

        chosen = {"sum": total, "vdot": product, "conv2d": convolution}[kernel.environment.operation]

        def run(rows: Array, weights: Array, bias: Array | None) -> Array:
            with torch.inference_mode():
                return self.numbers(chosen(rows, weights, bias).reshape(len(rows), -1))

        return run

    def _convolved(self, pixels: Any, kernels: Any) -> Any:
        """A convolution by the algorithm that was chosen."""
        import torch

        if self._cudnn is None:
            self._cudnn = load_cudnn()
        return self._cudnn.convolve(
            pixels,
            kernels,
            self._algorithm,
            tf32=bool(torch.backends.cudnn.allow_tf32),
            stream=torch.cuda.current_stream().cuda_stream,
            memory=lambda size: torch.empty(max(size, 1), dtype=torch.uint8, device=pixels.device),
        )

    def launched(self, kernel: Kernel) -> tuple[str, ...]:
        """Those that torch's profiler sees on a GPU, copies of memory apart."""
        import numpy as np
        import torch

        where = kernel.environment
        if where.device == "cpu":
            return ()
        compute, dtype = self.operation(kernel), numpy_dtype(kernel.dtype, patterns=True)
        bias = np.zeros(kernel.outputs, dtype) if kernel.bias else None
        operands = np.zeros((where.batch, kernel.terms), dtype), np.zeros((kernel.outputs, kernel.terms), dtype)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            compute(*operands, bias)
            torch.cuda.synchronize()
        names = [event.name for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
        return tuple(dict.fromkeys(name for name in names if not name.startswith(("Memcpy", "Memset"))))

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


def _total(values: Any) -> Any:
    import torch

    return torch.sum(values, dim=1) if values.ndim > 1 else torch.sum(values)


@cache
def _compiled(function: Any) -> Any:
    """The function compiled anew for each shape, however many there are: beyond its limit torch would run it as it is."""
    import torch

    for name in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit", "accumulated_cache_size_limit"):
        if hasattr(torch._dynamo.config, name):
            setattr(torch._dynamo.config, name, 1 << 20)
    return torch.compile(function, fullgraph=True, dynamic=False)


def _allow_tf32(allowed: bool) -> None:
    """In products and in convolutions, which torch allows by itself.

    By the older names where torch has them: they set the newer ones, too, whereas the newer ones leave the older as they were,
    and torch refuses to go on where the two differ.
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are newer names
        if hasattr(matmul, "allow_tf32") and hasattr(cudnn, "allow_tf32"):
            matmul.allow_tf32 = cudnn.allow_tf32 = allowed
        else:
            matmul.fp32_precision = cudnn.conv.fp32_precision = "tf32" if allowed else "ieee"


def _told(ask: Callable[[], object]) -> str:
    """What a setting is; "unknown" where this torch has none of that name, or refuses to tell."""
    try:
        return str(ask())
    except (AttributeError, RuntimeError):
        return "unknown"


def _cuda_facts() -> dict[str, str]:
    """The GPU, the libraries that compute on it, and everything that can be set."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    asked: dict[str, Callable[[], object]] = {
        "built_for_cuda": lambda: torch.version.cuda,
        "tf32_matmul": lambda: matmul.allow_tf32,
        "tf32_cudnn": lambda: cudnn.allow_tf32,
        "fp16_reduced_precision_reduction": lambda: matmul.allow_fp16_reduced_precision_reduction,
        "bf16_reduced_precision_reduction": lambda: matmul.allow_bf16_reduced_precision_reduction,
        "fp16_accumulation": lambda: matmul.allow_fp16_accumulation,
        "blas_library": lambda: str(torch.backends.cuda.preferred_blas_library()).rpartition(".")[2],
        "deterministic": torch.are_deterministic_algorithms_enabled,
        "cudnn_enabled": lambda: cudnn.enabled,
        "cudnn_benchmark": lambda: cudnn.benchmark,
        "cudnn_deterministic": lambda: cudnn.deterministic,
    }
    return {**gpu(), **cuda_libraries(), **cuda_variables(), **{name: _told(ask) for name, ask in asked.items()}}


def _array(tensor: Any) -> Array:
    import torch

    name = str(tensor.dtype).removeprefix("torch.")
    plain = name in ("float16", "float32", "float64")
    found: Array = (tensor if plain else tensor.view(torch.int16 if tensor.itemsize == 2 else torch.int8)).numpy()
    return found if plain else found.view(numpy_dtype(FORMATS[name], patterns=True))


def _tensor(values: Any, device: str, offset: int | None, code: str = "N") -> Any:
    """A copy of an array or a tensor in memory that torch allocates: on the CPU that begins at a multiple of 64 bytes.

    torch.from_numpy would keep numpy's address, upon which MKL's order of summation depends.  ``code``: of the layout; where
    it says T, the transpose is returned.
    """
    import torch

    if offset is not None and device != "cpu":
        raise CannotRun("addresses can only be chosen on the CPU")
    values = values if code == "N" else stored(values, code)
    tensor = values if isinstance(values, torch.Tensor) else _shared(values if offset is None else placed(values, offset))
    if device != "cpu":
        return part(tensor.contiguous().to(device), code)
    return part(torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor) if offset is None else tensor, code)


def _shared(array: Array) -> Any:
    """The array's memory as a tensor."""
    import torch

    name = dtype_name(array)
    if name in ("float16", "float32", "float64"):
        return torch.from_numpy(array)
    return torch.from_numpy(array.view("i2" if array.dtype.itemsize == 2 else "i1")).view(getattr(torch, name))
