"""Whatever a tool does, its row says it, and nothing of it is left: liars, crashes, hangs, garbage, orphans, gluttons."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from external_questions import asked, script

import fpsynth
from fpsynth.errors import InputError
from fpsynth.verifiers.external import CompetitionTool, StandardTool, TemplateTool, ToolAnswer, ask_function, run
from fpsynth.verifiers.external.base import ToolQuestion

MARK = 'open(os.environ["PIDS"], "a").write(f"{os.getpid()} ")\n'
"""What has a script, or what it starts, note its number."""
ORPHANS = MARK + "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  " + MARK + "  time.sleep(600)\n os._exit(0)\n"
"""A process of another session, whose parent has gone."""
GLUTTON = MARK + "hold = []\nwhile True: hold.append(bytearray(os.urandom(1 << 20) * 16))"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets orphans be adopted")


@pytest.fixture(autouse=True)
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "pids"
    path.touch()
    monkeypatch.setenv("PIDS", str(path))
    return path


def alive(pids: Path) -> list[int]:
    """The noted processes that run."""
    return [int(pid) for pid in pids.read_text().split() if _runs(int(pid))]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pids: Path, count: int) -> bool:
    """Whether so many processes were noted, and none is left within a while."""
    end = time.monotonic() + 30
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.02)
    return len(pids.read_text().split()) >= count and not alive(pids)


def standard(tmp_path: Path, body: str, **limits: float) -> ToolAnswer:
    """What the script's answer to ``verify`` comes to."""
    body = 'if "--version" in sys.argv: print("7.5"); sys.exit()\n' + body
    return run(StandardTool([str(script(tmp_path, body))]), *asked(tmp_path), **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(("printed", "verdict"), [("sat", "sat"), ("unsat", "unsat"), ("unknown", "unknown")])
def test_who_always_says_the_same_is_taken_at_his_word(tmp_path: Path, printed: str, verdict: str) -> None:
    answer = standard(tmp_path, f"print({printed!r})")
    assert (answer.verdict, answer.point, answer.version, answer.tool) == (verdict, (), "7.5", "tool")
    assert answer.reason == ("it says unknown" if verdict == "unknown" else "")


def test_a_standard_tool_gets_the_words_of_the_standard_and_its_assignment_is_read(tmp_path: Path) -> None:
    body = 'assert sys.argv[1] == "verify" and sys.argv[3] == "--network" and sys.argv[5:] == ["--timeout", "30"], sys.argv\n'
    body += 'assert sys.argv[4].startswith("N=") and sys.argv[4].endswith("m.onnx")\n'
    body += 'print("sat\\nX float32 [1,2]\\n0.1\\n1\\nY float32 [1,2]\\n1.1\\n1")'
    answer = standard(tmp_path, body, timeout=29.3)
    assert (answer.verdict, answer.point) == ("sat", (0.10000000149011612, 1.0)), answer
    assert answer.outputs == (1.10000002384185791015625, 1.0)


def test_what_a_tool_supports_is_asked(tmp_path: Path) -> None:
    tool = StandardTool(
        [str(script(tmp_path, 'print("real\\nfloat32 * not faithful") if sys.argv[1:] == ["supports", "--x"] else 0'))]
    )
    assert tool.supports("x") == ("real", "float32 * not faithful")
    assert StandardTool(["/nonexistent/tool"]).supports("x") == ()


def test_a_crash_is_unknown_and_says_how(tmp_path: Path, pids: Path) -> None:
    answer = standard(tmp_path, MARK + 'raise ValueError("no such layer")')
    assert (answer.verdict, answer.reason) == ("unknown", "it ended with status 1: ValueError: no such layer")
    answer = standard(tmp_path, MARK + f"os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    assert (answer.verdict, answer.reason) == ("unknown", "signal 11 ended it: it printed nothing")
    assert gone(pids, 2)


def test_a_verdict_before_a_crash_by_signal_does_not_count(tmp_path: Path) -> None:
    answer = standard(tmp_path, f'print("unsat", flush=True); os.kill(os.getpid(), {int(signal.SIGABRT)})')
    assert (answer.verdict, answer.reason) == ("unknown", "signal 6 ended it: unsat")


def test_who_hangs_is_killed_with_what_he_started(tmp_path: Path, pids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpsynth.verifiers.external.base.GRACE", 0.5)
    started = time.monotonic()
    answer = standard(tmp_path, ORPHANS + 'print("unsat", flush=True); time.sleep(600)', timeout=1)
    assert (answer.verdict, answer.reason) == ("unknown", "no answer within 1 s: it was killed")
    assert time.monotonic() - started < 60
    assert gone(pids, 2)


def test_a_child_that_survives_is_killed_and_counted(tmp_path: Path, pids: Path) -> None:
    answer = standard(tmp_path, ORPHANS + 'time.sleep(1); print("unsat")')
    assert (answer.verdict, answer.left) == ("unsat", 1)
    assert gone(pids, 2)


def test_garbage_is_no_verdict(tmp_path: Path) -> None:
    answer = standard(tmp_path, 'sys.stdout.buffer.write(os.urandom(20_000_000) + b"\\nsat\\n")')
    assert answer.verdict == "unknown"
    assert answer.reason.startswith("no verdict in what it printed: ")
    assert answer.reason.isprintable()


@pytest.mark.parametrize("text", ["sat\nX float32 [1,9]\n1\n", "sat\n((X_0 0.5) (X_2 1))", "sat\n((X_0 zero) (X_1 1))"])
def test_a_damaged_counterexample_is_not_understood(tmp_path: Path, text: str) -> None:
    answer = standard(tmp_path, f"print({text!r})")
    assert (answer.verdict, answer.point) == ("unknown", ())
    assert answer.reason.startswith("its answer is not understood: ")


def test_who_takes_more_memory_than_he_may_is_killed(tmp_path: Path, pids: Path) -> None:
    answer = standard(tmp_path, GLUTTON, timeout=60, memory=300 << 20)
    assert answer.verdict == "unknown"
    assert answer.reason.startswith("it took more memory than it may (")
    assert answer.memory is not None
    assert 300 << 20 < answer.memory < 3 << 30
    assert gone(pids, 1)


def test_memory_is_counted_of_all_processes_together(tmp_path: Path, pids: Path) -> None:
    body = MARK + "os.fork(); os.fork()\n" + MARK + "hold = os.urandom(1 << 20) * 100\ntime.sleep(600)"
    answer = standard(tmp_path, body, timeout=60, memory=300 << 20)
    assert answer.reason.startswith("it took more memory than it may (")
    assert gone(pids, 5)


def test_who_needs_30_gb_gets_none(tmp_path: Path) -> None:
    answer = standard(tmp_path, "hold = bytearray(30 << 30)\nfor k in range(0, 30 << 30, 4096): hold[k] = 1", memory=1 << 30)
    assert answer.verdict == "unknown"
    assert "memory" in answer.reason


def test_a_tool_that_is_not_there_says_so(tmp_path: Path) -> None:
    answer = run(StandardTool([str(tmp_path / "none")]), *asked(tmp_path))
    assert (answer.verdict, answer.reason) == ("unknown", f"cannot start it: No such file or directory: {tmp_path / 'none'}")


def test_files_and_limits_are_looked_at_first(tmp_path: Path) -> None:
    model, query = asked(tmp_path)
    tool = StandardTool(["true"])
    with pytest.raises(InputError, match=r"cannot read .*none\.onnx"):
        run(tool, tmp_path / "none.onnx", query)
    with pytest.raises(InputError, match="a time limit above 0 s"):
        run(tool, model, query, timeout=0)


def test_the_lines_of_a_tool_are_told(tmp_path: Path) -> None:
    lines: list[str] = []
    body = 'print("step 1", file=sys.stderr, flush=True); time.sleep(0.5); print("unsat")'
    tool = StandardTool([str(script(tmp_path, body))])
    run(tool, *asked(tmp_path), log=lines.append)
    assert lines == ["step 1", "unsat"]


def test_the_script_of_the_competition(tmp_path: Path) -> None:
    body = 'assert sys.argv[1:3] == ["v1", "test"] and sys.argv[6] == "30", sys.argv\n'
    body += 'open(sys.argv[5], "w").write("sat\\n((X_0 0.25)\\n (X_1 0.75)\\n (Y_0 1)\\n (Y_1 1))\\n")'
    tool = CompetitionTool(script(tmp_path, body, "run_instance.sh"))
    answer = run(tool, *asked(tmp_path), timeout=30)
    assert (answer.verdict, answer.point, answer.outputs) == ("sat", (0.25, 0.75), (1.0, 1.0)), answer


def test_the_script_of_the_competition_without_results(tmp_path: Path) -> None:
    tool = CompetitionTool(script(tmp_path, 'print("unsat")', "run_instance.sh"))
    assert run(tool, *asked(tmp_path)).reason == "no verdict in what it printed: unsat"
    with pytest.raises(InputError, match="is no script that can be run"):
        CompetitionTool(tmp_path / "none.sh")


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [("Result: sat", "sat"), ("progress\nverdict = UNSAT in 3 s", "unsat"), ("holds", "unsat"), ("timeout", "unknown")],
)
def test_a_command_template(tmp_path: Path, printed: str, verdict: str) -> None:
    path = script(tmp_path, f"assert sys.argv[3:] == ['--timeout', '9'] and sys.argv[1].endswith('m.onnx')\nprint({printed!r})")
    answer = run(TemplateTool(f"'{path}' {{onnx}} {{vnnlib}} --timeout {{timeout}}"), *asked(tmp_path), timeout=9)
    assert answer.verdict == verdict, answer


def test_a_template_has_its_own_words_and_no_shell(tmp_path: Path) -> None:
    path = script(tmp_path, 'print(sys.argv[3:]); print("The net is VERIFIED")')
    tool = TemplateTool(f"{path} {{onnx}} {{vnnlib}} ; touch $HOME '{{0.__class__}}'", r"net is (?P<verdict>\w+)")
    answer = run(tool, *asked(tmp_path))
    assert answer.verdict == "unsat"
    assert "[';', 'touch', '$HOME', '{0.__class__}']" in answer.log


@pytest.mark.parametrize(
    ("command", "answer", "message"),
    [
        ("tool {onnx}", "(sat)", r"there is no \{vnnlib\}"),
        ("tool '{onnx} {vnnlib}", "(sat)", "cannot be split into words"),
        ("tool {onnx} {vnnlib}", "(sat", "no regular expression"),
        ("tool {onnx} {vnnlib}", "sat", "needs a group"),
    ],
)
def test_bad_templates_are_refused(command: str, answer: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TemplateTool(command, answer)


def test_a_template_whose_group_is_no_verdict(tmp_path: Path) -> None:
    answer = run(TemplateTool("echo perhaps {onnx} {vnnlib}", "^(\\w+)"), *asked(tmp_path))
    assert (answer.verdict, answer.reason[:48]) == ("unknown", "its answer is not understood: 'perhaps' is no ve")


def test_a_function_is_a_verifier(tmp_path: Path) -> None:
    def corner(question: ToolQuestion) -> tuple[str, tuple[float, ...]]:
        box, _ = question.only
        return "violated", tuple(map(float, box.upper))

    answer = ask_function(corner, *asked(tmp_path))
    assert (answer.verdict, answer.point, answer.tool) == ("sat", (1.0, 1.0), "corner")
    assert ask_function(lambda question: "holds", *asked(tmp_path)).verdict == "unsat"


def test_a_function_that_fails_or_hangs_is_unknown(tmp_path: Path, pids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(question: ToolQuestion) -> str:
        raise KeyError("layer")

    def hangs(question: ToolQuestion) -> str:
        subprocess.Popen([str(script(tmp_path, ORPHANS))]).wait()
        time.sleep(600)
        return "unsat"

    def eats(question: ToolQuestion) -> str:
        hold = []
        while True:
            hold.append(bytearray(os.urandom(1 << 20) * 16))

    monkeypatch.setattr("fpsynth.verifiers.external.callables.GRACE", 0.5)
    assert ask_function(wrong, *asked(tmp_path)).reason == "it ended with status 1: KeyError: 'layer'"
    assert "'maybe', which is no verdict" in ask_function(lambda question: "maybe", *asked(tmp_path)).reason
    assert ask_function(hangs, *asked(tmp_path), timeout=1).reason == "no answer within 1 s: it was killed"
    assert "more memory than it may" in ask_function(eats, *asked(tmp_path), memory=300 << 20).reason
    assert gone(pids, 2)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_fpsynth_itself(tmp_path: Path, pids: Path, how: signal.Signals) -> None:
    tool = script(tmp_path, ORPHANS + "time.sleep(600)")
    model, query = asked(tmp_path)
    code = "import signal, sys; signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))\n"
    code += "from fpsynth.verifiers.external import StandardTool, run\n"
    code += f"run(StandardTool([{str(tool)!r}]), {str(model)!r}, {str(query)!r})"
    # its version is asked first, by another run of the script: that one ends at its own limit only
    tool.write_text(tool.read_text().replace("import os", 'import sys\nif "--version" in sys.argv: sys.exit()\nimport os', 1))
    path = os.pathsep.join([str(Path(fpsynth.__file__).parent.parent)])
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(pids.read_text().split()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(alive(pids)) == 2
    process.send_signal(how)
    process.wait(60)
    assert gone(pids, 2)
