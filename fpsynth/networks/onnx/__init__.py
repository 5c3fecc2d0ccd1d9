"""ONNX models: read as networks, and written from them; both need the package onnx."""

from fpsynth.networks.onnx.drafting import FORMS, OPSET
from fpsynth.networks.onnx.reading import import_onnx, network_from_onnx, read_onnx
from fpsynth.networks.onnx.tensors import MAX_BYTES
from fpsynth.networks.onnx.writing import onnx_bytes, require_checked, require_format, tensor_names

__all__ = [
    "FORMS",
    "MAX_BYTES",
    "OPSET",
    "import_onnx",
    "network_from_onnx",
    "onnx_bytes",
    "read_onnx",
    "require_checked",
    "require_format",
    "tensor_names",
]
