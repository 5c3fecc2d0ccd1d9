"""Claims of the tree drawings: text fits its width, marks fused leaves and counts what it leaves out; SVG is sound XML."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from given_programs import BY_HAND, arithmetic, parts, programs, tail_in_sequence, with_addends
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import every_order, trees

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, Format
from fpsynth.orders import Order, fixed_order, parse_order
from fpsynth.report.renderers.tree_svg import tree_svg
from fpsynth.report.renderers.trees import subject, tree_text
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.sums.program import Program

SVG = "{http://www.w3.org/2000/svg}"


def test_a_small_tree_by_hand() -> None:
    assert tree_text(parse_order("[[0,1],2]")) == "3 terms\n0 ──┬─┬─\n1 ──╯ │\n2 ────╯\n"
    fused = "3 terms\n0 --#-\n1 --#\n2 --#\n# more than two nodes, rounded once\n"
    assert tree_text(parse_order("[0,1,2]"), unicode=False) == fused


def test_fused_and_rounded_products_and_the_bias_are_marked() -> None:
    text = tree_text(Arithmetic(FLOAT32, order=parse_order("sequential"), fused=True, rounded=(2,), bias_leaf=True), 3)
    names = [line.partition("─")[0].strip() for line in text.splitlines()[1:5]]
    assert names == ["0 ○", "1 ●", "2 ○", "bias"]
    assert "● product fused into the addition" in text
    assert "bias+0 ●" in tree_text(Arithmetic(FLOAT32, fused=True, bias_first=True), 2)


@example(Order("random", 0), 81, 80, 26, False)  # a name of 40 columns where 34 were kept free
@example(Order("groups", 2), 4, 40, 2, False)
@given(every_order, st.integers(1, 300), st.integers(40, 120), st.integers(2, 50), st.booleans())
def test_the_text_fits_and_its_rows_account_for_every_leaf(
    order: Order, terms: int, width: int, rows: int, unicode: bool
) -> None:
    text = tree_text(order, terms, width=width, rows=rows, unicode=unicode)
    title, *lines = text.splitlines()
    assert max(map(len, [title, *lines])) <= width
    assert sum("more than two nodes" not in line for line in lines) <= rows
    assert unicode or text.isascii()
    hidden = sum(int(count) for count in re.findall(r"\.\.\. (\d+) more lea", text))
    hidden += sum(int(count) for count in re.findall(r"sum of (\d+) lea", text))
    hidden += sum(
        int(leaves or like) for like, leaves in re.findall(r"\.\.\. (\d+) more like this(?: \((\d+) leaves\))?", text)
    )
    counted = ("... ", "sum of ", "more than two nodes")
    assert hidden + sum(not any(words in line for words in counted) for line in lines) == terms


@given(st.data(), st.integers(1, 64))
def test_the_picture_of_any_small_tree_names_every_leaf_inside_the_viewport(data: st.DataObject, leaves: int) -> None:
    how = Arithmetic(FLOAT32, order=fixed_order(data.draw(trees(leaves, most=4))), fused=True)
    root = ElementTree.fromstring(tree_svg(how))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    names = [text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    assert sorted(int(text.text or "") for text in names) == list(range(leaves))
    heights = sorted(float(text.attrib["y"]) for text in names)
    assert all(low - high >= 13 for high, low in itertools.pairwise(heights))  # no overlap at 13 pixels
    assert heights[0] > 24 + 13
    assert heights[-1] < height - 14 - 13
    for path in root.iter(f"{SVG}path"):
        for move, numbers in re.findall(r"([MHV])([-\d. ]+)", path.attrib["d"]):
            places = [float(number) for number in numbers.split()]
            assert 0 <= places[0] <= (height if move == "V" else width)
            assert 0 <= places[-1] <= max(width, height)
    assert len(list(root.iter(f"{SVG}circle"))) == leaves


@pytest.mark.parametrize("order", ["sequential", "random:1", "numpy"])
def test_a_tree_of_4096_leaves_is_drawn_in_text_and_as_a_picture(order: str) -> None:
    root = ElementTree.fromstring(tree_svg(parse_order(order), 4096))
    assert sum(path.attrib["d"].count("V") for path in root.iter(f"{SVG}path")) == 4096  # 4095 steps and the result
    assert re.search("more like|sum of", tree_text(parse_order(order), 4096))


def test_rows_that_repeat_are_folded() -> None:
    names = [line.partition("──")[0].strip() for line in tree_text(parse_order("blocked:256"), 784, width=76).splitlines()[1:]]
    like = "... 253 more like this"
    tails = ["768", "769", "... 13 more like this", "783"]
    assert names == ["0", "1", like, "255", "256", "257", like, "511", "512", "513", like, "767", *tails]
    blocks = tree_text(parse_order("blocked:16"), 4096, width=76)
    assert "... 253 more like this (4048 leaves)" in blocks
    assert "... 13 more like this" in tree_text(parse_order("groups:16"), 64)
    biased = Arithmetic(FLOAT32, order=parse_order("sequential"), bias_leaf=True)
    assert [line.split(" ─")[0].strip() for line in tree_text(biased, 99).splitlines()[-2:]] == ["98", "bias"]


def test_a_row_for_leaves_that_have_no_room_makes_sense_as_the_first_one() -> None:
    """Nothing stands above it that it could be more of."""
    first = tree_text(parse_order("head:4-then-lanes:8"), 784, width=76).splitlines()[1]
    assert first.startswith("sum of 2 leaves (0 to 1) ──")
    assert not any(
        tree_text(Order("random", seed), 60, width=60).splitlines()[1].strip().startswith("...") for seed in range(20)
    )


def test_a_picture_escapes_what_it_writes() -> None:
    hostile = Arithmetic(Format("<&>", 8, 24))
    root = ElementTree.fromstring(tree_svg(hostile, 2))
    assert "<&>" in (root.findtext(f"{SVG}title") or "")


def test_programs_are_drawn_with_signs_where_something_is_rounded_otherwise() -> None:
    assert tree_text(arithmetic(BY_HAND["tail"]), width=120).splitlines()[1:] == [
        "5 ◆ ──┬◇┬◇────┬◇",
        "6 ◆ ──╯ │     │",
        "7 ◆ ────╯     │",
        "  0 ──┬─┬─┬─┬─╯",
        "  1 ──╯ │ │ │",
        "  2 ────╯ │ │",
        "  3 ──────╯ │",
        "  4 ────────╯",
        "◆ product rounded to float64",
        "◇ sum in float64",
    ]
    assert tree_text(arithmetic(BY_HAND["rounded before the bias"])).splitlines()[1:] == [
        " 0 ○ ──┬─┬─┬─┬─┬◆┬◇",
        " 1 ● ──╯ │ │ │ │ │",
        " 2 ● ────╯ │ │ │ │",
        " 3 ● ──────╯ │ │ │",
        " 4 ● ────────╯ │ │",
        " 5 ● ──────────╯ │",
        "bias ────────────╯",
        "● product fused into the addition   ○ product rounded first",
        "◆ sum in float32, rounded to bfloat16",
        "◇ sum in bfloat16",
    ]
    twice = tree_text(arithmetic(BY_HAND["rounded twice"]))
    assert "◆" not in twice  # all are alike: the title says so
    assert "each sum then" in tree_text(arithmetic(BY_HAND["rounded twice"]), width=200).splitlines()[0]


def test_the_bias_and_addends_of_a_program_are_leaves() -> None:
    names = [line.partition(" ─")[0].strip() for line in tree_text(arithmetic(with_addends())).splitlines()[1:8]]
    assert names == ["0 ○", "1 ●", "2 ●", "3 ●", "bias", "addend 0", "addend 1"]
    assert "bias ◆ ──" in tree_text(arithmetic(BY_HAND["bias between"]))
    assert "◆ bias rounded to bfloat16" in tree_text(arithmetic(BY_HAND["bias between"]))


def test_what_repeats_is_folded_only_where_it_is_rounded_alike() -> None:
    lines = tree_text(arithmetic(parts(4, 1024)), width=76).splitlines()
    assert sum("┬◆" in line for line in lines) == 4
    assert sum("... 1019 more like this" in line for line in lines) == 4
    odd = tree_text(arithmetic(tail_in_sequence(60, 30)), width=76)
    rows = [line.split(" ─")[0].strip() for line in odd.splitlines()[1:]]
    assert [row for row in rows if "more" in row] == ["... 27 more like this", "... 27 more like this"]
    assert [odd.count(sign) for sign in "◆◇"] == [4, 4]  # three rows each, and the legend


@settings(max_examples=examples(150))
@given(programs(), st.integers(40, 120), st.integers(2, 50), st.booleans())
def test_the_text_of_any_program_fits_and_names_every_leaf(program: Program, width: int, rows: int, unicode: bool) -> None:
    drawn = subject(arithmetic(program))
    text = tree_text(arithmetic(program), width=width, rows=rows, unicode=unicode)
    assert max(map(len, text.splitlines())) <= width
    assert unicode or text.isascii()
    title, *lines = tree_text(arithmetic(program), width=width, rows=rows, unicode=unicode, legend=False).splitlines()
    assert text.startswith("\n".join([title, *lines]))
    assert len(lines) <= rows
    full = tree_text(arithmetic(program), width=400, rows=100).splitlines()
    marked = sum(node >= program.tree.leaves for node in drawn.special)
    row_text = "".join(line.split(" ─", 1)[1] for line in full[1 : 1 + program.tree.leaves])
    assert sum(row_text.count(sign) for sign, _ in drawn.signs) == marked
    root = ElementTree.fromstring(tree_svg(arithmetic(program)))
    signs = [text for text in root.iter(f"{SVG}text") if text.text in {sign for sign, _ in drawn.signs}]
    assert len(signs) == marked
    paths = [path for path in root.iter(f"{SVG}path") if path.attrib["stroke"] == "#2471a3"]
    assert sum(path.attrib["d"].count("V") for path in paths) == marked


def test_a_program_brings_its_own_number_of_terms() -> None:
    assert tree_text(arithmetic(BY_HAND["tail"])) == tree_text(arithmetic(BY_HAND["tail"]), 8)
    with pytest.raises(InputError, match="a sum of 8 terms, not of 9"):
        tree_text(arithmetic(BY_HAND["tail"]), 9)


def test_what_cannot_be_drawn_is_refused() -> None:
    for draw in (tree_text, tree_svg):
        with pytest.raises(InputError, match="say how many"):
            draw(parse_order("sequential"))
        with pytest.raises(InputError, match="no order to draw"):
            draw(REAL, 3)
        with pytest.raises(InputError, match="tree of 3 leaves"):
            draw(parse_order("[[0,1],2]"), 4)
    with pytest.raises(InputError, match="too large to draw"):
        tree_svg(parse_order("sequential"), 8193)
