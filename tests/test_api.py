"""The library: functions with dataclasses in return, and bad arguments refused before anything is started."""

import dataclasses
import inspect
import json
import math
import pickle
import subprocess
import sys
from fractions import Fraction

import pytest
from profiles import slow
from ties import changed, claim
from witnesses import published

import fpsynth
from fpsynth import api
from fpsynth.cli.arguments import build_parser
from fpsynth.cli.main import main
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.synthesis.checking.check import CheckResult
from fpsynth.synthesis.result import Result
from fpsynth.witness import Witness, save


def quick(**arguments):
    return fpsynth.tie(**({"replay": False, "timeout": 20.0} | arguments))


def test_a_tie_is_a_dataclass_with_witnesses():
    result = quick()
    assert isinstance(result, Result)
    assert dataclasses.is_dataclass(result)
    (witness,) = result.witnesses
    assert isinstance(witness, Witness)
    assert (witness.format, witness.network.widths, witness.ratio) == (FLOAT32, (1, 2), 2.0**24)
    assert result.settings["seed"] == 0
    assert result.settings["weights"] == "0.1:1"


@slow  # other corpora are varied in tests/synthesis/test_variants.py
def test_the_witnesses_of_a_corpus_share_the_time_for_improvement():
    result = quick(dtype="float32", shape=(2, 2), count=3, timeout=4.5)
    assert len(result.witnesses) == 3


def test_a_witness_is_checked_as_an_object_and_as_a_file(tmp_path):
    (witness,) = quick(seed=4).witnesses
    save(witness, tmp_path / "witness.json")
    for given in (witness, tmp_path / "witness.json", str(tmp_path / "witness.json")):
        checked = fpsynth.check(given)
        assert isinstance(checked, CheckResult)
        assert checked.confirmed


def test_a_witness_is_replayed():
    (witness,) = quick().witnesses
    replayed = fpsynth.replay(witness, libraries=["numpy"], batches=[2])
    assert replayed.confirmed_by == ("numpy",)
    assert witness.observations == ()


@pytest.mark.parametrize("ask", [quick, lambda: fpsynth.order("sequential", "pairwise", terms=8, replay=False)])
def test_the_report_on_a_replay_is_that_of_the_command(tmp_path, capsys, ask):
    (witness,) = ask().witnesses
    replayed = fpsynth.replay(witness, library="numpy", batch=2)
    save(replayed, tmp_path / "w.json")
    code = main(["replay", str(tmp_path / "w.json"), "--library", "numpy", "--batch", "2", "--width", "96"])
    assert code == (0 if replayed.confirmed_by else 4)
    told = capsys.readouterr().out
    assert fpsynth.render(replayed) == told
    assert ("confirmed by numpy" if replayed.confirmed_by else "confirmed by no library") in told
    assert told != fpsynth.render(witness)
    sections = json.loads(fpsynth.render(replayed, form="json"))
    assert sections != json.loads(fpsynth.render(fpsynth.load(tmp_path / "w.json"), form="json"))
    assert "confirmed by" in json.dumps(sections)


def test_a_wrong_form_is_refused_before_anything_is_done(tmp_path, capsys):
    class Untold:
        """Whatever is asked of it would be too late."""

    for ask in (fpsynth.explain, fpsynth.render):
        for subject in (tmp_path / "missing.json", Untold()):
            with pytest.raises(InputError, match="unknown form 'html': a report is rendered as text or markdown or json"):
                ask(subject, form="html")
    assert main(["tree", str(tmp_path / "missing.json"), "--form", "html"]) == 2
    assert "unknown form 'html'" in capsys.readouterr().err


def test_a_replayed_witness_is_the_witness_of_its_file(tmp_path):
    (witness,) = quick().witnesses
    replayed = fpsynth.replay(witness, library="numpy", batch=2)
    save(replayed, tmp_path / "w.json")
    loaded = fpsynth.load(tmp_path / "w.json")
    assert replayed == loaded
    assert loaded == replayed
    assert replayed != witness
    assert fpsynth.check(replayed).confirmed
    assert "numpy" in fpsynth.render(loaded)  # as what it is, with what its file says of runs


def test_a_ratio_may_be_a_float_or_text():
    for demand in (2.0**25, "33554432"):
        assert quick(weights="0.5:0.5", min_ratio=demand).settings["min_ratio"] == 2.0**25


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": "float8"}, "unknown dtype 'float8'"),
        ({"dtype": "Float32"}, "did you mean float32"),
        ({"timeout": 0}, "time limit"),
        ({"timeout": -1.0}, "time limit"),
        ({"timeout": math.nan}, "time limit"),
        ({"timeout": math.inf}, "time limit"),
        ({"timeout": 1e9}, "time limit"),  # the operating system cannot wait that long
        ({"count": 0}, "number of witnesses"),
        ({"count": -3}, "number of witnesses"),
        ({"count": 10**9}, "number of witnesses"),
        ({"jobs": 0}, "jobs"),
        ({"jobs": 10**6}, "jobs"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 31}, "seed"),
        ({"min_ratio": 0}, "above 0"),
        ({"min_ratio": -1}, "above 0"),
        ({"min_ratio": math.nan}, "finite number"),
        ({"min_ratio": math.inf}, "finite number"),
        ({"min_ratio": Fraction(10) ** 400}, "at most"),
        ({"shape": ()}, "needs inputs and outputs"),
        ({"shape": (2,)}, "needs inputs and outputs"),
        ({"shape": (2, 1)}, "one output"),
        ({"shape": (0, 2)}, "at least 1"),
        ({"shape": "1,2"}, "whole numbers"),
        ({"shape": (1.5, 2)}, "whole numbers"),
        ({"shape": (10**6, 2)}, "too large"),
        ({"order": "zigzag"}, "unknown order"),
        ({"order": "strided:0"}, "at least 1"),
        ({"rounding": "up"}, "unknown rounding"),
        ({"maximise": "size"}, "unknown objective"),
        ({"weights": ""}, "form LO:HI"),
        ({"inputs": "1:0.5"}, "reversed"),
        ({"inputs": "0:1e39"}, "exceeds the largest float32"),
        ({"weights": "1.00000000001:1.00000000002"}, "holds no float32 number"),
        ({"certifier": "lipschitz-sound"}, "negative control"),
        ({"certifier": "crown"}, "the certifier must be one of"),
        ({"solver": "yices"}, "unknown solver"),
        ({"replay": True, "libraries": ["numpi"]}, "did you mean numpy"),
        ({"replay": True, "libraries": [""]}, "unknown library"),
        ({"replay": True, "batches": []}, "batch sizes"),
        ({"replay": True, "batches": [0]}, "batch sizes"),
        ({"replay": True, "batches": [1 << 30]}, "batch sizes"),
        ({"replay": True, "device": "tpu"}, "unknown device"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_in_one_line(arguments, words):
    with pytest.raises(InputError, match=words) as error:
        quick(**arguments)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("eps", [0, -1, math.nan, math.inf, "abc", "0"])
def test_a_radius_must_be_a_number_above_zero(eps):
    with pytest.raises(InputError, match="radius"):
        fpsynth.certify("network.npz", "images.npz", eps)


def test_a_witness_that_claims_a_radius_of_zero_is_refused():
    nothing = changed(published(), claim=claim("lipschitz-exact", False, Fraction(0), published().claim.reach))
    for ask in (fpsynth.check, fpsynth.replay, fpsynth.explain):
        with pytest.raises(InputError, match="radius must be above 0"):
            ask(nothing)


def test_the_package_offers_its_functions_and_nothing_else():
    assert set(fpsynth.__all__) >= {"certify", "check", "environments", "explain", "replay", "tie"}
    for name in fpsynth.__all__:
        assert getattr(fpsynth, name) is (fpsynth.__version__ if name == "__version__" else getattr(api, name))
    with pytest.raises(AttributeError, match="no attribute 'ties'"):
        _ = fpsynth.ties


def test_the_functions_are_seen_by_dir_and_the_tab_key():
    completer = "rlcompleter.Completer({'fpsynth': fpsynth})"
    code = f"import rlcompleter, fpsynth; print(dir(fpsynth), {completer}.attr_matches('fpsynth.wr'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in fpsynth.__all__:
        assert repr(name) in done.stdout
    assert "fpsynth.write_corpus(" in done.stdout


@pytest.mark.parametrize("name", [name for name in fpsynth.__all__ if name != "__version__"])
def test_every_function_says_what_it_does_and_has_types(name):
    function = getattr(fpsynth, name)
    assert len(function.__doc__) > 40
    signature = inspect.signature(function)
    assert signature.return_annotation is not signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


def test_witnesses_and_reveals_are_saved_and_loaded(tmp_path):
    fpsynth.save(published(), tmp_path / "tie.json")
    assert fpsynth.load(tmp_path / "tie.json") == published()
    with pytest.raises(InputError, match="none"):
        fpsynth.load(tmp_path / "none.json")
    found = fpsynth.reveal("numpy:sum", terms=4, vectors=50, threads=1)
    fpsynth.save(found, tmp_path / "reveal.json")
    assert fpsynth.tree(str(tmp_path / "reveal.json")).terms == 4


def test_results_are_written_as_a_corpus_and_as_a_folder(tmp_path):
    result = quick(dtype="float16", count=2)
    fpsynth.write_corpus(result, tmp_path / "corpus")
    assert len((tmp_path / "corpus" / "manifest.json").read_text()) > 100
    assert len(list((tmp_path / "corpus" / "witnesses").iterdir())) == 2
    fpsynth.write_corpus([published(), quick()], tmp_path / "mixed")
    assert len((tmp_path / "mixed" / "instances.csv").read_text().splitlines()) == 2
    flip = fpsynth.order(terms=4, replay=False)
    fpsynth.write_folder(flip, tmp_path / "flip")
    assert fpsynth.load(tmp_path / "flip" / "witness.json") == flip.witnesses[0]
    with pytest.raises(InputError, match="a corpus holds ties"):
        fpsynth.write_corpus([flip], tmp_path / "none")
    with pytest.raises(InputError, match="nothing was found"):
        fpsynth.write_folder(fpsynth.order(terms=1, replay=False), tmp_path / "none")


def test_an_order_is_a_tree():
    found = fpsynth.tree("sequential", terms=3, compare="[[0,1],2]")
    assert (found.terms, found.same, found.difference) == (3, True, None)
    assert str(found.tree) == "((0+1)+2)"
    assert found.drawn("text") == "[[0,1],2]"
    assert fpsynth.tree("pairwise").same is None
    with pytest.raises(InputError, match="unknown form"):
        found.drawn("png")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, fpsynth, fpsynth.api, fpsynth.cli.main; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "z3", "bitwuzla", "cvc5", "torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime", "flint", "sympy"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("name", [name for name in fpsynth.__all__ if name != "__version__"])
def test_every_function_can_be_sent_to_another_process(name):
    function = getattr(fpsynth, name)
    assert pickle.loads(pickle.dumps(function)) is function


def test_what_is_no_name_is_no_attribute():
    assert not hasattr(fpsynth, "tie.x")


PRINTING = {"help", "json", "verbose", "width", "form"}
"""Options of commands that Python has no use for; the form of ``corpus export`` is no form of printing."""
CORPUS = ("make", "list", "check", "replay", "export")


def subcommand(*names):
    """The parser of a subcommand, or of an action of one."""
    parser = build_parser()
    for name in names:
        (choices,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
        parser = choices[name]
    return parser


def options(*names):
    """Name to default of what a command takes; ... of what must be given."""
    taken = (action for action in subcommand(*names)._actions if action.dest not in PRINTING or names[-1] == "export")
    return {
        action.dest: ... if action.required else action.default for action in taken if action.dest not in PRINTING - {"form"}
    }


def keywords(function):
    """Likewise of a function, but for ``progress``."""
    parameters = inspect.signature(function).parameters
    empty = inspect.Parameter.empty
    return {name: ... if one.default is empty else one.default for name, one in parameters.items() if name != "progress"}


@pytest.mark.parametrize("name", CORPUS)
def test_what_is_done_with_corpora_has_the_names_and_defaults_of_the_command_line(name):
    function = getattr(fpsynth.corpus, name)
    assert keywords(function) == options("corpus", name)
    assert len(function.__doc__) > 40
    assert all(parameter.annotation is not parameter.empty for parameter in inspect.signature(function).parameters.values())
    assert pickle.loads(pickle.dumps(function)) is function


def test_the_bench_has_the_names_and_defaults_of_the_command_line():
    plain = {"arithmetic": "real", "category": (), "verifier": ...}  # of several, which the command line collects
    assert keywords(fpsynth.bench) == options("bench") | plain
    assert keywords(fpsynth.shrink) == options("shrink") | {"arithmetic": "real"}


def test_rooms_with_the_name_of_a_command_are_what_they_are_called_for_whatever_was_imported():
    code = (
        "import sys, fpsynth; assert 'numpy' not in sys.modules;"
        "first = fpsynth.bench; import fpsynth.scoring.running, fpsynth.corpus.making.run;"
        "assert fpsynth.bench is first and callable(first) and fpsynth.corpus.make.__name__ == 'make';"
        "assert {'bench', 'corpus', 'shrink'} <= set(dir(fpsynth));"
        "print(fpsynth.scoring.running.TABLE, fpsynth.corpus.making.run.MAX_WORKERS)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["runs.sqlite", "4"]


def test_corpora_are_made_read_checked_run_and_asked_about(tmp_path):
    made = fpsynth.corpus.make(tmp_path / "hard", count=2, seed=3, category="tie", environments="onnxruntime:batch=1")
    assert fpsynth.corpus.list(tmp_path / "hard") == made
    assert fpsynth.corpus.check(tmp_path / "hard").holds
    told = []
    assert fpsynth.corpus.replay(tmp_path / "hard", environments=["onnxruntime:batch=1"], progress=told.append).holds
    assert told == ["tie_0000: 0 of 2", "tie_0000_control1: 1 of 2"]
    counts, left_out = fpsynth.corpus.export(tmp_path / "hard", tmp_path / "forms", form=["c", "why"])
    assert (counts, left_out) == ({"c": 2, "why": 2}, ())

    def trusting(question):
        return "unsat"

    board = fpsynth.bench(tmp_path / "hard", trusting, out=tmp_path / "board", seeds=2)
    assert (board.tally("trusting").wrong, len(board.runs)) == (2, 4)
    assert (tmp_path / "board" / "scoreboard.md").is_file()
    with pytest.raises(InputError, match="name the verifier"):
        fpsynth.shrink(tmp_path / "hard" / "tie" / "tie_0000", out=tmp_path / "small")
    with pytest.raises(InputError, match="did you mean tie"):
        fpsynth.corpus.make(tmp_path / "other", category=["tei"])
    with pytest.raises(InputError, match="above 0"):
        fpsynth.corpus.make(tmp_path / "other", max_weight=0)
    assert not (tmp_path / "other").exists()
