"""Arguments as people type them: ranges below zero, near names, what makes no sense, and names that Python shares."""

import inspect
import io
import sys
import threading
import time

import pytest
from command_line import leaves

import fpsynth
from fpsynth.cli import console
from fpsynth.cli.arguments import build_parser
from fpsynth.cli.console import Console
from fpsynth.cli.main import main

PARSER = build_parser()
COMMANDS = leaves(PARSER)
NEEDED = {
    "reveal": ["numpy:matmul"],
    "tree": ["pairwise"],
    "compare": ["n.npz", "--inputs", "i.npz"],
    "backdoor": ["--network", "n.npz", "--images", "i.npz", "--target", "torch:batch=1"],
    "defend": ["n.npz", "--images", "i.npz"],
    "check": ["none.json"],
    "replay": ["none.json"],
    "explain": ["none.json"],
    "certify": ["--network", "n.npz", "--images", "i.npz", "--eps", "1"],
    "verify": ["--network", "n.npz"],
    "bench": ["none"],
    "shrink": ["none", "--out", "shrunk"],
    "corpus make": ["--out", "corpus"],
    "corpus list": ["none"],
    "corpus check": ["none"],
    "corpus replay": ["none"],
    "corpus export": ["none", "--out", "forms"],
}
"""What a subcommand cannot do without."""
OPTIONS = [
    (name, action.option_strings[0])
    for name, parser in COMMANDS.items()
    for action in parser._actions
    if action.option_strings and action.nargs != 0
]
"""Every option of every subcommand that takes a value."""


def refusal(capsys, *arguments):
    """The line with which arguments are refused; nothing else is printed."""
    try:
        code = main(list(arguments))
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1), err
    return err


# values


@pytest.mark.parametrize(("name", "option"), [pair for pair in OPTIONS if pair[1] != "--width"])
def test_a_value_below_zero_is_a_word_of_its_own(name, option):
    parser = COMMANDS[name]
    (action,) = (action for action in parser._actions if option in action.option_strings)
    for text in ["-1", "-1:1", "-.5:0.5", "-1:1,-2:2", "-0x1p-3", "-1e-3:-1e-4"] if action.type is None else ["-1"]:
        found = getattr(parser.parse_args([*NEEDED.get(name, []), option, text]), action.dest)
        assert found == (text if action.type is None else action.type(text)) or found == [text]


def test_a_range_below_zero_is_searched(capsys):
    assert main(["tie", "--dtype", "float8_e5m2", "--weights", "-1:-0.5", "--inputs", "-1:1", "--no-replay"]) == 0
    assert "FOUND" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "option"), [pair for pair in OPTIONS if pair[1] != "--widening"])
def test_an_empty_value_is_refused_before_anything_is_measured(name, option, capsys, monkeypatch):
    from fpsynth.workers.process import Worker

    def started(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(Worker, "__init__", started)
    refusal(capsys, *name.split(), *NEEDED.get(name, []), f"{option}=")


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("fp16", "float16"), ("half", "float16"), ("bf16", "bfloat16"), ("e5m2", "float8_e5m2"), ("fp8_e4m3", "float8_e4m3fn")],
)
def test_a_format_may_be_called_what_others_call_it(dtype, name, capsys):
    result = fpsynth.order("sequential", "pairwise", terms=4, dtype=dtype, replay=False)
    assert result.settings["dtype"] == name
    assert result.witnesses[0].format.name == name
    assert fpsynth.precision(dtype, "double", terms=4, replay=False).witnesses[0].format.name == name


# names


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tye", "unknown command 'tye' (did you mean tie?)"),
        ("frobnicate", "unknown command 'frobnicate'; choose from tie, order"),
        ("--versoin", "unrecognized arguments: --versoin (did you mean --version?) (see fpsynth --help)"),
        ("tie --maximize ratio", "fpsynth tie: error: unrecognized arguments: --maximize (did you mean --maximise?)"),
        ("certify --netwrok n.npz", "fpsynth certify: error: unrecognized arguments: --netwrok (did you mean --network?)"),
        ("order --weigths=-1:1", "unrecognized arguments: --weigths=-1:1 (did you mean --weights?)"),
        ("order -x", "fpsynth order: error: unrecognized arguments: -x"),
        ("order --a", "expected one argument"),
        ("tie --weights --inputs 0:1", "argument --weights: expected one argument"),
        ("tie float32", "fpsynth tie: error: unrecognized arguments: float32"),
        ("tie --library nunpy", "unknown library 'nunpy' (did you mean numpy?)"),
        ("tie --dtype FP32", "unknown dtype 'FP32' (did you mean float32?)"),
        ("tie --dtype float8", "unknown dtype 'float8' (did you mean float8_e4m3fn or float8_e5m2?)"),
        ("tie --dtype float", "did you mean float32 or float64?"),
        ("tie --solver bitwuzzla", "unknown solver 'bitwuzzla' (did you mean bitwuzla?)"),
        ("tie --maximise ratios", "unknown objective 'ratios' (did you mean ratio?)"),
        ("tie --rounding rne", "choose from RNE"),
        ("tie --order seqential", "unknown order 'seqential' (did you mean sequential?)"),
        ("order --a stride:4", "unknown order 'stride:4' (did you mean strided:LANES?)"),
        ("order --predicate argmx", "unknown predicate 'argmx' (did you mean argmax?)"),
        ("order --b numpy:matmull", "(did you mean matmul?)"),
        ("order --b numpy:matmul:bach=4", "(did you mean batch?)"),
        ("certify --network n --images i --eps 1 --certifier lipshitz", "did you mean lipschitz?"),
        ("tie --certifier lipschitz-exakt", "did you mean lipschitz-exact?"),
        ("position --kind rows", "unknown kind 'rows' (did you mean row?)"),
        ("tree pairwise --form unicod", "unknown form 'unicod' (did you mean unicode?)"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_near(line, words, capsys):
    assert words in refusal(capsys, *line.split())


# sense


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("order --gap 1 --predicate sign", "a gap goes with the predicate gap"),
        ("precision --gap 1 --predicate argmax", "a gap goes with the predicate gap"),
        ("tie --no-replay --library numpy", "--library is about the replay"),
        ("tie --no-replay --batch 4", "--batch is about the replay"),
        ("order --no-replay --library numpy", "--library is about the replay"),
        ("twin numpy:matmul:outputs=3 --no-replay --library numpy", "--library is about the replay"),
        ("tie --prove --count 3", "--prove is about the largest witness"),
        ("tree pairwise --form svg --compare reverse", "--compare draws none"),
        ("tree pairwise --form svg --json", "--json prints the tree as data"),
        ("order --maximise ratio", "unknown objective 'ratio'; choose from gap"),
        ("interval --maximise gap", "unknown objective 'gap'; choose from excess"),
        ("reveal numpy:matmul:outputs=2 --outputs 3", "say the number of outputs once"),
        ("reveal numpy:matmul:threads=2 --threads 3", "say the number of threads once"),
        ("reveal numpy:matmul --threads 0", "the number of threads must be from 1"),
        ("order --max-weight 1e-300", "weights up to 1e-300 amplify nothing"),
        ("order --b numpy:matmul --max-weight 1e-30", "amplify nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(line, words, capsys):
    assert words in refusal(capsys, *line.split())


def test_where_to_look_is_no_replay(capsys):
    assert main(["twin", "--library", "numpy", "--terms", "2", "--no-replay", "--timeout", "5", "--vectors", "50"]) in (0, 3)


def test_weights_of_which_all_are_zero_end_in_an_answer(capsys):
    assert main(["order", "--weights", "0:0", "--terms", "4", "--no-replay", "--timeout", "20"]) == 0
    assert "IMPOSSIBLE" in capsys.readouterr().out


def test_maximise_means_the_same_in_every_command():
    for name, first in (("tie", "ratio"), ("order", "gap"), ("precision", "gap"), ("interval", "excess")):
        (action,) = (action for action in COMMANDS[name]._actions if action.dest == "maximise")
        assert first in action.help
    found = [fpsynth.order(terms=8, replay=False, timeout=2, maximise=what) for what in ("gap", True, None)]
    assert [result.settings["maximise"] for result in found] == ["gap", "gap", None]
    assert found[0].witnesses[0].measure >= found[2].witnesses[0].measure
    assert fpsynth.interval(terms=4, replay=False, timeout=2, maximise=True).settings["maximise"] == "excess"


# names that Python shares

PRINTING = {"help", "json", "verbose", "out", "width", "form"}
"""Options about what is printed and written: Python has ``save``, ``write_corpus`` and the like instead."""
ELSEWHERE = {"reveal": {"network"}}
"""Options whose answer is another one, which Python has a function of its own for: ``reveal_network``."""
OWN = {"progress", "form", "unicode", "colour"}
"""What only Python can be asked for."""


# of these, Python has the functions of ``fpsynth.verifiers.external``, ``fpsynth.corpus`` and ``fpsynth.bench``
ROOMS = ("verifiers", "corpus", "bench", "shrink")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.split()[0] not in ROOMS])
def test_keywords_are_the_options_of_the_command_line(name):
    function = getattr(fpsynth, name)
    keywords = set(inspect.signature(function).parameters)
    options = set()
    for action in COMMANDS[name]._actions:
        options.add(action.dest.removeprefix("no_"))
    assert options - PRINTING - keywords - {"files"} == ELSEWHERE.get(name, set())
    assert keywords - OWN - options - {"witness"} <= ({"dtype"} if name == "precision" else set())


def test_older_names_of_keywords_still_work():
    found = fpsynth.order(terms=4, libraries=["numpy"], batches=[2])
    assert {(seen.library, seen.batch) for seen in found.witnesses[0].observations} == {("numpy", 2)}
    with pytest.raises(fpsynth.errors.InputError, match="libraries is the older name of library"):
        fpsynth.order(terms=4, libraries=["numpy"], library="numpy")


# progress


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(console, "TICK", 0.01)
    monkeypatch.setattr(console, "PATIENCE", 0.1)
    monkeypatch.setenv("TERM", "xterm")
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def waited(stream, count, what="\n"):
    end = time.monotonic() + 20
    while stream.getvalue().count(what) < count and time.monotonic() < end:
        time.sleep(0.01)
    return stream.getvalue()


def test_a_terminal_sees_the_time_pass(quick, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = Console()
    shown.progress("revealing: 1 of 2")
    text = waited(sys.stderr, 5, "\r\x1b[K")
    assert text.count(" s  revealing: 1 of 2") >= 5
    assert "\n" not in text
    shown.close()
    assert sys.stderr.getvalue().endswith("\r\x1b[K")
    ended = sys.stderr.getvalue()
    time.sleep(0.05)
    assert sys.stderr.getvalue() == ended


def test_a_pipe_gets_a_line_now_and_then(quick, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    shown = Console()
    for number in range(100):
        shown.count("certifying", number, 100)
    assert sys.stderr.getvalue() == ""
    lines = waited(sys.stderr, 2).splitlines()
    shown.close()
    assert len(lines) >= 2
    assert all(line.endswith(" s  certifying: 99 of 100") for line in lines)


def test_what_came_of_an_attempt_stands_beside_the_step_that_goes_on(quick, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    shown = Console()
    shown.progress("searching, at most 60 s")
    shown.progress("z3 (fp, seed 0) on a tie: unknown after 2.00 s (its time limit of 2 s is over)")
    line = waited(sys.stderr, 1)
    shown.close()
    assert " s  searching, at most 60 s · z3: unknown after 2.00 s\n" in line


def test_a_silent_run_and_one_without_standard_error_have_no_thread(quick, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    Console().close()
    shown = Console(verbose=True)
    sys.stderr.close()
    shown.progress("searching")
    shown.progress("replaying")
    shown.close()


# help


def test_the_help_of_interval_says_what_is_out_of_reach_and_what_ibp_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(COMMANDS["interval"].format_help().split())
    assert "(interval bound propagation, IBP)" in text
    assert "a box that is wider than the rounding errors of the sum" in text
