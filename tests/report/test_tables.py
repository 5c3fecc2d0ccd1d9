"""Tables line up, painted or not, and wrap their last column only."""

from fpsynth.report.renderers.folding import cells, fold
from fpsynth.report.renderers.style import Style, pad, plain
from fpsynth.report.renderers.tables import table
from fpsynth.report.text import clean, listed

STYLE = Style(width=60)


def test_columns_line_up():
    lines = table(["a", "b", ""], [["one", "2", "x"], ["three", "44", "y"]], STYLE)
    assert lines == ["  a       b", "  " + "─" * 14, "  one     2    x", "  three   44   y"]


def test_painted_cells_take_their_visible_width():
    style = Style(colour=True, width=60)
    rows = [[style.paint("one", "wrong"), "x"], ["three", "y"]]
    assert [plain(line) for line in table([], rows, style)] == table([], [["one", "x"], ["three", "y"]], STYLE)


def test_the_last_cell_is_wrapped_under_itself():
    lines = table([], [["name", "word " * 20]], STYLE)
    assert len(lines) > 1
    assert all(line.startswith("         word") for line in lines[1:])
    assert max(map(len, lines)) <= 60


def test_a_short_row_takes_the_rest_of_the_line():
    lines = table(["a", "b", "c"], [["1", "2", "3"], ["x", "a long text across"]], STYLE)
    assert lines[2:] == ["  1   2   3", "  x   a long text across"]


def test_text_from_outside_is_made_harmless():
    assert clean("a\x1b[1mb\nc\u202e") == "a?[1mb c?"
    assert len(clean("x" * 1000)) == 400


def test_lists_and_padding():
    assert [listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert pad("a", 3) == "a  "
    assert pad("a", 3, right=True) == "  a"


def test_the_width_is_kept_within_reason():
    assert Style(width=5).width == 60
    assert Style(width=500).width == 200


def test_middle_cells_are_wrapped_where_the_last_one_cannot_and_numbers_stay_whole():
    rows = [["torch", "some words that need a lot of room in the middle", "123456789", "123456789.5"]]
    lines = table(["library", "run as", "batch", "y0"], rows, STYLE)
    assert max(map(len, lines)) <= 60
    assert lines[2].split()[0] == "torch"
    assert lines[2].endswith("123456789   123456789.5")
    assert " ".join(" ".join(line[12:32] for line in lines[2:]).split()).startswith("some words that need")


def test_rows_are_stacked_where_no_columns_fit_and_lose_nothing():
    row = ["0x1.123456789abcdp+10", "0x1.123456789abcep+10", "0x1.123456789abcfp+10"]
    lines = table(["a", "b", "c"], [row], STYLE)
    assert max(map(len, lines)) <= 60
    assert " ".join(lines).split() == [word for pair in zip("abc", row, strict=True) for word in pair]


def test_stacked_numbers_keep_their_sign_and_their_hexadecimal():
    row = [
        "b",
        "pairwise",
        "≈ -2.9802322387695312e-08",
        "-0x1.0000000000001p-25",
        "≈ 1.0000000000000002",
        "0x1.0000000000001p+0",
    ]
    lines = table(["", "view", "y0", "", "y1", ""], [row], STYLE)
    assert lines == [
        "  b   view pairwise",
        "      y0 ≈ -2.9802322387695312e-08   -0x1.0000000000001p-25",
        "      y1 ≈ 1.0000000000000002   0x1.0000000000001p+0",
    ]


def test_folding_keeps_numbers_whole_and_measures_cells():
    text = "a value ≈ 0.1000000000000000055 0x1.999999999999ap-4 of 東京 and e\u0301 that is long"
    for width in (24, 30, 45, 60):
        lines = fold(text, width)
        assert max(map(cells, lines)) <= width
        assert not any(line.endswith("≈") for line in lines)
        assert " ".join(" ".join(lines).split()) == text
    assert any("0.1000000000000000055 0x1.999999999999ap-4" in line for line in fold(text, 45))
    assert "12.5 = 0x1.9p+3" in " ".join(fold("they are both of them 12.5 = 0x1.9p+3 here", 28)[1:])
    assert cells("東京 e\u0301") == 6
    assert fold("onnxruntime:gemm:batch=64,outputs=64", 20) == ["onnxruntime:gemm:", "batch=64,outputs=64"]


def test_a_colour_is_taken_up_again_behind_a_break():
    style = Style(colour=True, width=60)
    painted = style.paint("word " * 20, "strong")
    lines = style.finish([painted]).splitlines()
    assert len(lines) > 1
    assert all(line.lstrip().startswith("\x1b[1m") and line.endswith("\x1b[0m") for line in lines)


def test_lists_of_words_are_wrapped_before_rows_are_stacked():
    row = ["onnxruntime", "1.31.1", "gemm, matmul", "1, 4, 64", "2.98023224e-8", "none", "! departs"]
    heads = ["library", "version", "run as", "batch", "y0", "as view", ""]
    style = Style(width=78)
    assert table(heads, [row], style, gap=2)[0].startswith("  library onnxruntime")
    lines = table(heads, [row], style, gap=2, words=("run as",))
    start, end = lines[0].index("run as"), lines[0].index("batch")
    assert [line[start:end].strip() for line in lines[2:]] == ["gemm,", "matmul"]
    assert max(map(len, lines)) <= 78


def test_a_short_row_beside_wrapped_words_keeps_to_its_columns():
    heads = ["library", "run as", "batch", "y0"]
    rows = [
        ["numpy", "matmul, dot, dot-rows", "1, 4, 64", "0x1.123456789abcdp+10"],
        ["jax", "eager, function, matmul", "not run: " + "word " * 8],
    ]
    lines = table(heads, rows, STYLE, gap=2, words=("run as",))
    start, end = lines[0].index("run as"), lines[0].index("batch")
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(line[start:end] for line in lines[2:]).split()) == f"{rows[0][1]} {rows[1][1]}"
    assert " ".join(" ".join(line[end:] for line in lines[2:]).split()).endswith(rows[1][2].strip())
