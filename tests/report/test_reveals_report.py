"""The report of a reveal: every line fits, says which positions, draws the tree, and shows what is not explained."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aligned_arithmetics import tensor_core
from rendered import rendered

from fpsynth.formats import FLOAT32, TF32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.orders import parse_order
from fpsynth.report.renderers.style import Style
from fpsynth.report.stories.reveals import device_text, fused_text, reveal_table, reveals_story
from fpsynth.revealing.result import Check, PositionClass, Reveal, Unexplained
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic

MAIN = Arithmetic(FLOAT32, order=parse_order("pairwise"), fused=True, rounded=(0,))
TAIL = Arithmetic(FLOAT32)


def a_reveal(terms: int, batch: int = 1, first: Unexplained | None = None, **said: object) -> Reveal:
    """Outputs 0 to 3 and 5 in one arithmetic, output 4 in another."""
    rows = range(batch)
    return Reveal(
        Kernel(Environment("torch", "linear", batch=batch, outputs=6), FLOAT32, terms, 6),
        (
            PositionClass(MAIN, tuple((r, c) for r in rows for c in (0, 1, 2, 3, 5)), Check(100, 100)),
            PositionClass(TAIL, tuple((r, 4) for r in rows), Check(100 - bool(first), 100, first)),
        ),
        "2.0",
        repeats="same",
        **said,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("terms", [1, 8, 64, 784, 4096])
def test_every_line_fits(terms, width, unicode):
    first = Unexplained((0.1,) * terms, (0.3,) * terms, 0.5, 1.0, 1.5)
    text = rendered(reveals_story([a_reveal(terms, 1, first), a_reveal(terms, 4)]), Style(unicode, False, width))
    assert max(map(len, text.splitlines())) <= width
    assert unicode or text.isascii()
    assert len(text.splitlines()) < 160


def test_positions_are_named():
    text = rendered(reveals_story([a_reveal(8, 4)]), Style())
    assert "output 0 to 3, 5: float32 pairwise fused" in text
    assert "output 4: float32 sequential" in text


def test_a_convolution_says_image_channels_and_kernel():
    plain = a_reveal(36)
    found = replace(plain, kernel=replace(plain.kernel, environment=Environment("torch", "conv2d", outputs=6)))
    text = " ".join(rendered(reveals_story([found]), Style()).split())
    assert "image 4×7×7 (channels, rows, columns), kernel 3×3, stride 1, no padding; the value at row 2, column 2" in text
    assert "torch conv2d 4x3x3 float32" in reveal_table([found])
    assert "image" not in rendered(reveals_story([plain]), Style())


def test_a_hostile_vector_is_explained_once_where_it_is_first_counted():
    text = " ".join(rendered(reveals_story([a_reveal(8, 1), a_reveal(8, 4)]), Style()).split())
    assert text.count("hostile vectors, bit for bit") == 4
    assert text.count("or rounded otherwise, would most likely show") == 1
    assert text.index("would most likely show") < text.index("output 4")


def test_trees_are_drawn_once():
    text = rendered(reveals_story([a_reveal(8, 1), a_reveal(8, 4)]), Style())
    assert text.count("7 ● ──╯") == 1
    assert text.count("as for batch 1, output 4") == 1
    assert "2 different arithmetics" in text
    assert text.count("product fused into the addition") == 1


def test_what_is_not_explained_is_shown_with_its_vector():
    first = Unexplained((1.0, 0.1), (0.3, 2.0), None, 1.0, 1.5)
    text = rendered(reveals_story([a_reveal(2, 1, first, notes=("none of 24 hypotheses explains it",))]), Style())
    assert "✗ explains 99/100" in text
    assert (1.0).hex() in text
    assert (1.5).hex() in text
    assert f"1: {(2.0).hex()} * {(0.1).hex()}" in text
    assert "none of 24 hypotheses explains it" in text


def test_results_that_depend_on_alignment_are_told_in_a_line_of_their_own():
    lines = rendered(
        reveals_story([a_reveal(8, alignment="other results with operands 4 bytes past a multiple of 64")]), Style()
    ).splitlines()
    (place,) = [
        k for k, line in enumerate(lines) if line.startswith("  ✗ alignment matters: other results with operands 4 bytes")
    ]
    assert lines[place - 1] == ""
    assert not any(line.startswith("  alignment ") for line in lines)
    none = rendered(reveals_story([a_reveal(8, alignment="no effect of operands 4 bytes past a multiple of 64")]), Style())
    assert "  alignment  no effect of operands" in none
    assert "matters" not in none


def test_the_letter_behind_a_shape_is_explained_once():
    text = rendered(reveals_story([a_reveal(8, 1), a_reveal(8, 4)]), Style())
    assert text.count("(6, 8) C") == 2
    assert text.count("C: row after row in memory") == 1


def test_facts_from_outside_are_made_harmless():
    text = rendered(reveals_story([a_reveal(2, threads="\x1b[31mred\nnext", facts={"cpu": "a\x07b"})]), Style())
    assert "\x1b" not in text
    assert "\x07" not in text


GPU = {"gpu": "NVIDIA H100", "compute_capability": "9.0", "driver": "580.65", "cublas": "13.1", "cudnn": "9.14"}
CORE = tensor_core(64)
TF32_CORE = tensor_core(64, 8, 24, FLOAT32, operands=TF32, operand_rounding=Rounding.RNA, cut=Rounding.RTN, least=-133)


def on_a_gpu(how: Arithmetic, **said: object) -> Reveal:
    where = Environment("torch", "linear", batch=4, device="cuda", switches=(("tf32", "on"),))
    classes = (PositionClass(how, tuple((row, 0) for row in range(4)), Check(99, 100)),)
    return Reveal(Kernel(where, how.format or FLOAT32, 64), classes, "2.11", GPU, **said)  # type: ignore[arg-type]


def test_steps_are_told_in_short():
    assert fused_text(CORE, 64) == "16+1, 25 bits, RTZ"
    assert fused_text(tensor_core(20), 20) == "16, 4+1, 25 bits, RTZ"
    assert fused_text(TF32_CORE, 64) == "8+1, 24 bits, RTZ, cut RTN, exponents from -133"
    assert fused_text(replace(MAIN, rounded=(1,)), 8) == "FMA in part"
    assert fused_text(MAIN, 8) == "FMA"  # of products 0 and 1, which meet, one is rounded in any case
    assert fused_text(Arithmetic(FLOAT32, fused=True, order=parse_order("[0,1,2]")), 3) == "exact steps 3"
    assert fused_text(TAIL, 8) == "-"


def test_a_tensor_core_is_told_in_words_with_its_device():
    text = " ".join(rendered(reveals_story([on_a_gpu(CORE)]), Style()).split())
    assert "aligned steps: 4 of 16 products; 2 extra bits, cut toward zero, rounded toward zero into float32" in text
    assert "device=cuda,tf32=on" in text
    assert device_text(on_a_gpu(CORE)) == ("NVIDIA H100 · compute capability 9.0 · driver 580.65 · cuBLAS 13.1 · cuDNN 9.14")
    assert "NVIDIA H100" in text


def test_the_table_has_a_row_for_each_kernel():
    head, _, *rows = reveal_table([on_a_gpu(CORE, seconds=1.25), on_a_gpu(TF32_CORE, repeats="2 results")]).splitlines()
    assert head.split() == ["kernel", "n", "batch", "order", "fused", "sums", "in", "operands", "classes", "explained", "s"]
    assert rows[0].startswith("torch linear  ")  # and the rest below it
    assert "16+1, 25 bits" in rows[0]
    assert rows[0].split()[-4:] == ["-", "1", "99/100", "1.2"]  # 1.25 to nearest even
    text = " ".join(" ".join(rows).split())
    assert "tf32 RNA" in text
    assert "varies" in text
    assert reveal_table([]) == ""


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("how", [CORE, TF32_CORE, MAIN])
def test_the_table_fits(how, width):
    assert max(map(len, reveal_table([on_a_gpu(how), on_a_gpu(CORE)], width).splitlines())) <= width
