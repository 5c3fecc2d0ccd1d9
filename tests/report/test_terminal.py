"""The report shows network, points, number lines, certificate, libraries and search, and says in one sentence what is wrong."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rendered import report
from reports import found, known, optimal, random_witness, replayed
from ties import changed, claim

from fpsynth.formats import FLOAT16, FLOAT32, FORMATS
from fpsynth.networks.graph import Graph, Node
from fpsynth.networks.layers import Convolution, Flatten
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.report.stories.ran_as import different_runs, ran_as
from fpsynth.solvers.race import Attempt
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.ties.certification import tie_of
from fpsynth.synthesis.verdicts import Proof, Refutation, Verdict
from fpsynth.witness import Observation


def _flat(text):
    """The text with line breaks, frames and runs of blanks as single blanks, so that sentences can be looked for."""
    return " ".join(text.replace("│", " ").split())


def test_the_published_witness_says_what_is_wrong():
    text = _flat(report(found(known())))
    assert (
        "lipschitz-exact certifies that every point closer to b than 0.2499999998 has b's class, 1; a is 0.0392 away, yet "
        "numpy, torch, tensorflow and onnxruntime all put it in class 0 (jax does not show it)."
    ) in text
    assert "where a has class 1 as well; in float32 both logits of a round to the same number" in text


def test_weights_and_points_stand_in_decimal_and_hexadecimal():
    text = report(found(known()))
    for number in (
        *("0.9890594482421875", "0x1.fa66p-1", "0.989059507846832275390625", "0x1.fa6602p-1"),
        *("0.157976210117340087890625", "0x1.438908p-3", "0.19721232354640960693359375", "0x1.93e40ep-3"),
    ):
        assert number in text
    assert "the next float32 number above w0" in text
    assert "2633091 float32 numbers below b" in text


def test_the_picture_shows_the_tie_at_a_and_none_at_b():
    text = report(found(known()))
    assert text.count("y0 = y1 = 0x1.3ffee2p-3") == 1
    assert "y0 = 0x1.8f78d8p-3" in text
    assert "y1 = 0x1.8f78dap-3" in text
    assert text.count("halfway points") == 1  # both pictures have one scale, so one caption does


def test_the_optimal_witness_has_its_ratio_as_a_power_of_two_and_its_proof():
    runs = (Refutation("bitwuzla", "0.9.1", "significands", 0, 1.2), Refutation("cvc5", "1.3.4", "fp", 7, 3.0))
    proof = Proof("no float32 tie has a ratio above 2^24", "ratio-bound", {}, runs)
    text = _flat(report(found(optimal(), proof=proof, upper_bound=Fraction(2**24), optimal=True)))
    assert "16777216 2^24" in text
    assert "16.8 km to 1 mm" in text
    assert "the largest possible: proved" in text
    assert "its negation is unsat: bitwuzla 0.9.1 (significands, seed 0, 1.2 s) and cvc5 1.3.4 (fp, seed 7, 3 s)" in text
    assert "closer to b than 0.9999999995" in text
    assert "a is 5.96e-8 away" in text


def test_a_proved_bound_that_the_witness_does_not_reach_makes_it_no_largest():
    proof = Proof("no weights give a ratio of 33554432 or more", "refutation", {}, ())
    shown = replace(known(), optimum=proof.statement)  # as a step that finds nothing larger leaves it
    text = _flat(report(found(shown, proof=proof, upper_bound=Fraction(2**25))))
    assert "the largest possible" not in text
    assert "no ratio above 33554432 (2^25) is possible no weights" in text
    assert "the largest possible: proved" in report(found(shown, proof=proof, upper_bound=Fraction(2**25), optimal=True))


def test_an_upper_bound_without_proof_of_optimality():
    assert "no ratio above 16777216 (2^24) is possible" in report(found(known(), upper_bound=Fraction(2**24)))
    assert "the largest ratio is not known: prove asks for a proof" in report(found(known()))


def test_libraries_with_one_outcome_share_a_line():
    lines = [line.split() for line in report(found(known())).splitlines()]
    assert ["numpy", "2.4.0", "matmul,", "dot", "1,", "4,", "64", "1", "0", "✓", "confirmed"] in lines
    assert ["jax", "0.10.0", "jit", "1,", "4,", "64", "1", "1", "same", "class"] in lines
    assert ["mxnet", "not", "run:", "not", "installed"] in lines


def test_rows_are_named_where_a_batch_is_split():
    half = [replace(r, rows=(0, 1, 2, 5)) for r in replayed("torch", "2.13.0", "linear", (6,))]
    rest = [replace(r, rows=(3, 4)) for r in replayed("torch", "2.13.0", "linear", (6,), class_index=1, departs=False)]
    text = report(found(replace(known(), observations=(*half, *rest))))
    assert "6 (rows 0-2,5)  1     0     ✓ confirmed" in text
    assert "6 (rows 3-4)    1     1     same class" in text


def test_a_class_that_differs_without_a_certificate_is_not_called_confirmed():
    replays = replayed("jax", "1", "jit", (1,), accepted=False, departs=False)
    text = report(found(replace(known(), observations=tuple(replays))))
    assert "not certified" in text
    assert "in float32 sequential arithmetic it has class 0, though jax does not show it" in _flat(text)


def test_without_replays_the_report_says_how_to_get_them():
    text = report(found(replace(known(), observations=())))
    assert "fpsynth replay FILE" in text
    assert "in float32 sequential arithmetic it has class 0." in _flat(text)


def test_the_negative_control():
    assert "✓ rejects" in report(found(known()))
    fooled = changed(known(), control=claim("lipschitz-sound", True, Fraction(1), Fraction(2)))
    assert "this is a bug" in _flat(report(found(fooled)))
    unknown = replace(known(), control=None)
    assert "no negative control" in report(found(unknown))


def test_a_sound_certifier_that_does_not_speak_of_the_arithmetic_is_not_called_wrong():
    network = dense_relu([Dense(np.array([[0.0, 1.0], [1.0, 0.0]]), None)])
    a, b = (1 + 2.0**-8, 1.0), (1 + 2.0**-8 + 2.0**-23, 1.0)  # rounding to bfloat16 makes a's inputs equal
    rounded = Deployment(Arithmetic(FLOAT32, operands=FORMATS["bfloat16"]))
    witness, rejection = tie_of(network, (b, a), rounded, FLOAT32, "lipschitz")
    assert (witness.control.accepted, rejection) == (True, "")
    text = _flat(report(found(witness)))
    assert "lipschitz-sound accepts, but does not speak of float32 operands rounded to bfloat16 sequential" in text
    assert "bug" not in text


def test_a_certificate_that_does_not_contain_a_refutes_nothing():
    far = changed(known(), claim=claim("lipschitz-exact", True, Fraction(1, 100), Fraction(1, 4)))
    text = report(found(far))
    assert "does not contain a" in text
    assert "Nothing is wrong" in text
    assert "What is wrong" not in text


def test_witnesses_of_several_kinds_say_their_shapes_and_classes():
    text = report(found(known(), replace(random_witness(3, 4, 3, seed=1), observations=())), width=100)
    rows = [line.split()[:5] for line in text.splitlines() if line.split()[1:2] in (["1,2"], ["3,4,3"])]
    assert rows[0] == ["000", "1,2", "1", "to", "0"]
    assert rows[1][:2] == ["001", "3,4,3"]


def test_several_witnesses_get_a_line_each():
    text = report(found(known(), optimal(), known()))
    assert "All 3 witnesses" in text
    rows = [line.split() for line in text.splitlines() if line.endswith("numpy, torch, tensorflow and onnxruntime")]
    assert [row[:2] for row in rows] == [["000", "0.0392361"], ["001", "5.96046e-8"], ["002", "0.0392361"]]


@pytest.mark.parametrize("shape", [(2, 3, 2), (1, 3), (3, 2), (1, 2, 2, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_other_shapes_show_all_weights_and_stay_within_the_width(shape, bias):
    witness = random_witness(*shape, seed=3, bias=bias)
    for width in (80, 96):
        text = report(found(witness), width=width)
        assert max(map(len, text.splitlines())) <= width
    for weight in witness.network.entries():
        assert weight.hex().rstrip("0").split("p")[0].rstrip("0") in text


def test_logits_beyond_the_two_in_question_are_named():
    assert "not drawn" in report(found(random_witness(1, 3)))


def test_large_networks_are_summarised():
    text = report(found(random_witness(20, 30, 5)))
    assert "750 weights and biases between" in text
    assert len(text.splitlines()) < 90


def test_impossible_comes_with_its_proof():
    proof = Proof("no certified float16 tie of ratio 5000 or more", "exhaustive", {"weight_pairs": 12, "inputs": 34})
    settings = {"dtype": "float16", "shape": (1, 2)}
    result = Result("tie", Verdict.IMPOSSIBLE, (), proof.statement, proof, (), 1.0, 2.0, settings, Fraction(2**11))
    text = _flat(report(result))
    assert "tie · float16 · 1,2 IMPOSSIBLE" in text
    assert "by enumeration: 12 pairs of weights, each at all 34 inputs" in text
    assert "2048 = 2^11" in text


def test_unknown_lists_what_was_tried():
    attempts = tuple(
        Attempt("z3", "bitblast", seed, "tie", True, "unknown", f"its time limit of {seed // 2} s is over", 4.1, 10**8)
        for seed in range(40)
    )
    result = Result("tie", Verdict.UNKNOWN, (), "the time limit of 4 s is over", None, attempts, 4.0, 4.2, {"seed": 0})
    text = report(result)
    assert "UNKNOWN" in text
    assert "neither a witness nor a proof" in text
    assert text.count("bitblast") == 12
    assert "and 16 more runs that ended otherwise" in text
    assert "seed 0" in text


def test_control_characters_from_a_file_do_not_reach_the_terminal():
    hostile = Observation("evil\x1b[2J", not_run="line\nbreak\x07\u202e")
    text = report(replace(known(), observations=(hostile,)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "evil?[2J" in text


def test_an_overflow_is_reported():
    witness = changed(known(), format=FLOAT16, certified=(65504.0,), counterexample=(1.0,), observations=())
    overflowing = changed(witness, network=dense_relu((Dense(((4.0,), (2.0,))),)), deployment=Deployment(Arithmetic(FLOAT16)))
    text = report(overflowing)
    assert "infinity" in text


def test_a_library_that_confirms_at_some_batch_sizes_only_is_said_to():
    replays = (*replayed("numpy", "2.4.0", "dot", (1, 64)), *replayed("numpy", "2.4.0", "dot", (4,), departs=False))
    text = _flat(report(found(replace(known(), observations=replays))))
    assert "yet numpy puts it in class 0 (numpy at batch 1 and 64, but not at batch 4)." in text


def test_of_runs_at_one_batch_size_it_is_said_which_show_a_tie():
    missed = replayed("numpy", "2.4.0", "matmul", (4,), departs=False)
    replays = (*replayed("numpy", "2.4.0", "dot", (1, 4)), *replayed("numpy", "2.4.0", "matmul", (1,)), *missed)
    text = _flat(report(found(replace(known(), observations=replays))))
    assert "(numpy at batch 1 and as dot at batch 4, but not as matmul at batch 4)." in text
    (first,) = replayed("numpy", "2.4.0", "dot", (4,))
    halves = (replace(first, rows=(0, 1)), replace(first, rows=(2, 3), departs=False))
    text = _flat(report(found(replace(known(), observations=halves))))
    assert "(numpy as dot at batch 4 in rows 0-1, but not as dot at batch 4 in rows 2-3)." in text


def test_a_run_of_a_network_of_convolutions_is_named_by_what_is_called_each_once():
    convolution, dense = Convolution(np.ones((2, 1, 2, 2))), Dense(np.ones((2, 8)))
    nodes = (Node("c", convolution), Node("f", Flatten(), ("c",)), Node("y", dense, ("f",)))
    network = Graph(nodes, (1, 3, 3), "y")
    assert ran_as(network, "torch", ["linear", "matmul"]) == "conv2d, linear, matmul"
    assert ran_as(network, "onnxruntime", ["gemm"]) == "conv, gemm"
    assert ran_as(network, "numpy", ["matmul", "dot"]) == "matmul, dot"  # which multiply its windows, too
    alone = Graph(nodes[:2], (1, 3, 3), "f")
    assert ran_as(alone, "torch", ["linear", "matmul"]) == "conv2d"
    assert ran_as(alone, "numpy", ["matmul", "dot"]) == "matmul, dot"


def test_a_replay_has_one_row_for_each_different_run():
    of_the_sweep = Observation("numpy", "2.4.0", "matmul", "cpu", 1, (0,), logits=(1.0, 2.0), departs=True)
    of_the_view = replace(of_the_sweep, view="a")
    other = replace(of_the_sweep, variant="dot")
    runs = different_runs((of_the_view, of_the_sweep, other, other))
    assert runs == (of_the_view, other)
    assert different_runs((of_the_view, replace(of_the_sweep, logits=(1.0, 3.0)))) != (of_the_view,)


def test_the_statement_of_an_impossible_question_stands_there_once():
    proof = Proof("no tie there", "contradictory domain", {})
    text = _flat(report(Result("tie", Verdict.IMPOSSIBLE, (), "no tie there", proof, (), 0.0, 0.0, {})))
    assert text.count("no tie there") == 1
    assert "read off the domain; no solver is needed" in text
