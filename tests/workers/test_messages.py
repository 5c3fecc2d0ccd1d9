"""What travels arrives bit for bit, and nothing that is damaged is believed."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np
import pytest

from fpsynth.workers import messages
from fpsynth.workers.messages import DamagedMessageError, Incoming, Message, packed

BITS = {
    "float16": [0x8000, 0x7E01, 0xFC00, 0x0001, 0x7D55],
    "float32": [0x80000000, 0x7FC00001, 0xFF800000, 0x7F800001, 0x00000001],
    "float64": [1 << 63, (0x7FF8 << 48) + 7, 0xFFF << 52, (0x7FF << 52) + 1, 1],
    "bfloat16": [0x8000, 0x7FC1, 0xFF80, 0x7F81, 0x0001],
    "float8_e4m3fn": [0x80, 0x7F, 0xFF, 0x01, 0x7E],
    "float8_e5m2": [0x80, 0x7D, 0x7F, 0xFC, 0x01],
    "float8_e4m3fnuz": [0x80, 0x7F, 0xFF, 0x01, 0x00],
    "float8_e5m2fnuz": [0x80, 0x7F, 0xFF, 0x01, 0x00],
}
"""Bit patterns that a conversion to another format would not keep: -0, quiet and signalling NaNs, infinities, subnormals."""


def travelled(content: Message | None, last: bool = True) -> Any:
    """A message after it has been through a pipe."""
    source, sink = os.pipe()
    data = b"".join(map(bytes, packed(content, last)))
    os.set_blocking(source, False)
    incoming = Incoming(source)
    try:
        for start in range(0, len(data), 4096):
            assert incoming.read() is None  # not all there yet
            os.write(sink, data[start : start + 4096])
        return incoming.read()
    finally:
        os.close(source)
        os.close(sink)


def dtype_of(name: str) -> np.dtype[Any]:
    if hasattr(np, name):
        return np.dtype(name)
    return np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))


@pytest.mark.parametrize("name", BITS)
def test_every_bit_of_every_format_survives(name: str) -> None:
    dtype = dtype_of(name)
    bits = np.array(BITS[name], f"u{dtype.itemsize}")
    array = travelled({"array": bits.view(dtype)}).content["array"]
    assert array.dtype == dtype
    assert array.view(bits.dtype).tolist() == bits.tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(12, dtype=">i4")[::-2],
        np.array(-0.0),
        np.zeros((0, 3), np.float32),
        np.array([True, False]),
        np.array([1 + 2j], np.complex64),
        np.array([1, 2, 3], np.uint8),
        np.array([(5,), (7,)], [("tf32", "u4")]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_of_every_shape_arrive_at_any_depth(array: np.ndarray[Any, Any]) -> None:
    content = travelled({"deep": [{"down": array}, array], "plain": "ü", "number": 0.1}).content
    for arrived in (content["deep"][0]["down"], content["deep"][1]):
        assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape)
        assert arrived.tobytes() == array.tobytes()
        assert arrived.flags.writeable
    assert (content["plain"], content["number"]) == ("ü", 0.1)


def test_a_large_array_is_not_copied_to_be_sent() -> None:
    array = np.zeros(1 << 20, np.float32)
    assert any(isinstance(piece, memoryview) and piece.nbytes == array.nbytes for piece in packed({"array": array}))


def test_messages_without_arrays_are_json_whatever_their_keys() -> None:
    assert travelled({"$array": [0, 5]}).content == {"$array": [0, 5]}
    assert travelled(None) == (None, True)
    assert travelled({}, last=False) == ({}, False)


@pytest.mark.parametrize("value", [np.array([None]), np.array(["text"]), np.array([("a", 1)], [("f", "U1"), ("g", "i4")]), {1}])
def test_what_is_no_number_does_not_travel(value: object) -> None:
    with pytest.raises(TypeError, match="does not travel"):
        packed({"value": value})


def test_what_is_too_large_does_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_BYTES", 1 << 20)
    with pytest.raises(ValueError, match="larger"):
        packed({"array": np.zeros(1 << 20, np.uint8)})
    data = b"".join(map(bytes, packed({})))
    assert arrived(data) == {}
    with pytest.raises(DamagedMessageError):  # and nothing of the size is allocated
        arrived(data[:5] + struct.pack("<QQ", 2, 1 << 40))


def arrived(data: bytes) -> Message | None:
    source, sink = os.pipe()
    try:
        os.write(sink, data)
        os.close(sink)
        message = Incoming(source).read()
        assert message is not None
        return message.content
    finally:
        os.close(source)


def changed(old: bytes, new: bytes) -> bytes:
    """The bytes of a message with an array of six float64, in which something of the same length stands instead."""
    data = b"".join(map(bytes, packed({"array": np.arange(6.0)})))
    assert arrived(data) is not None
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"fpw1", b"what", "something other than a message"),
        (b"'<f8'", b"'|O8'", "an array holds object"),
        (b"'<f8'", b"'<M8'", "an array holds datetime64"),
        (b"'<f8'", b"'<f4'", "another size than its header says"),
        (b"(6,), ", b"(7,), ", "another size than its header says"),
        (b"(6,), }", b"(10**9}", "no header"),
        (b"\x93NUMPY\x01", b"\x93NUMPY\x02", "version"),
        (b"\x93NUMPY", b"\x80NUMPY", "no header"),
        (b"[0, 176]", b"[0, 177]", "another size"),
        (b"[0, 176]", b"[0, 999]", "outside"),
        (b"[0, 176]", b"[9, 1]  ", "outside"),
        (b"[0, 176]", b"[0, 'x']", "cannot be read"),
        (b'{"array"', b'{"arra\xff"', "cannot be read"),
    ],
)
def test_a_damaged_message_is_refused(old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(DamagedMessageError, match=says):
        arrived(changed(old, new))


@pytest.mark.parametrize("name", ["bfloat16", "no_such", "finfo", "float8_e5m2"])
def test_the_dtype_of_bit_patterns_must_be_one_of_their_size(name: str) -> None:
    pytest.importorskip("ml_dtypes")
    array = np.array([1, 2], np.uint32)
    (first, *rest) = packed({"array": array})
    text = json.loads(bytes(first)[struct.calcsize("<4s?QQ") :])
    text["array"]["bits_of"] = name
    area = b"".join(map(bytes, rest))
    with pytest.raises(DamagedMessageError, match=r"no dtype of 4 bytes"):
        messages.unpacked(memoryview(json.dumps(text).encode()), memoryview(area))


def test_a_message_that_breaks_off_is_an_end() -> None:
    data = b"".join(map(bytes, packed({"array": np.arange(6.0)})))
    for length in (0, 3, 40, len(data) - 1):
        with pytest.raises(EOFError):
            arrived(data[:length])
