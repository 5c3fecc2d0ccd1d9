"""Everything that a GPU is needed for, in one run: what its kernels compute, and networks on which it disagrees with others.

    python benchmarks/gpu.py [--minutes 8.5] [--out FOLDER] [--device cpu]

Reveals the kernels of every library that can use the GPU, finds and confirms a network for each question across devices,
replays the witnesses, and writes NAME.json and NAME.txt (NAME is gpu) into the folder; a short table is printed last.  It
stops by itself when the minutes are over, and says what it did not come to.  --device cpu rehearses the same on the CPU.
Needs numpy and torch; whatever else is installed is used.  Exit code 2 without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # it runs from a source tree, too
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))

from benchmarks.common import RESULTS, conditions, keep, machine, short, whole_numbers  # noqa: E402
from benchmarks.gpu_plan import Question, kernels, questions, rehearsed  # noqa: E402
from fpsynth.errors import InputError  # noqa: E402
from fpsynth.libraries.kernels import MAX_TERMS, Kernel  # noqa: E402
from fpsynth.libraries.machine import has_gpu  # noqa: E402
from fpsynth.libraries.registry import NAMES  # noqa: E402
from fpsynth.report.stories.reveals import reveal_table  # noqa: E402
from fpsynth.revealing.file import reveal_to_json  # noqa: E402
from fpsynth.revealing.result import Reveal  # noqa: E402
from fpsynth.revealing.revealer import Revealer  # noqa: E402
from fpsynth.workers.process import kill_all  # noqa: E402

TERMS = (64, 784)
"""Numbers of terms that a question is asked with, until the sides differ."""
LANES = 12
"""Things done at a time, at most one per processor: a quarter of them are questions, the others reveals."""
SHARE = 8
"""Kernels that one process reveals before it makes room for another."""
SAVE_EVERY = 30.0
"""Seconds between writes of the files while it runs."""
ROW = 128
"""Characters of a line of the table."""


class Clock:
    """Time since the start, and until all must be over."""

    def __init__(self, minutes: float) -> None:
        self.started, self.allowed = time.monotonic(), 60 * minutes

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Until the end; negative after it."""
        return self.allowed - self.seconds


class Run:
    """What has been found so far; threads add to it."""

    def __init__(self, clock: Clock, vectors: int) -> None:
        self.clock, self.vectors = clock, vectors
        self.found: dict[Kernel, Reveal | str] = {}
        self.answers: list[dict[str, Any]] = []
        self.save: Callable[[], object] | None = None
        """Writes what there is, every so often: whatever ends the run early does not cost it."""
        self._saved = 0.0
        self._lock = threading.Lock()

    def _progress(self, line: str) -> None:
        """Say what has been done, and keep it if that was not done lately."""
        print(f"{self.clock.seconds:5.0f} s  {line}", file=sys.stderr)
        if self.save is not None and self.clock.seconds > self._saved + SAVE_EVERY:
            self._saved = self.clock.seconds
            self.save()

    def share(self, todo: Sequence[Kernel]) -> None:
        """Reveal kernels of one process, one after the other, as long as there is time."""
        with Revealer(timeout=max(1.0, min(120.0, self.clock.left))) as revealer:
            for kernel in todo:
                if self.clock.left < 5:
                    return
                revealer.timeout = max(1.0, min(120.0, self.clock.left))
                try:
                    found: Reveal | str = revealer.reveal(kernel, vectors=self.vectors)
                except InputError as error:
                    found = str(error).removeprefix(f"{kernel.environment}: ")
                except Exception as error:  # a bug must not cost the results of the others
                    found = f"{type(error).__name__}: {error}"
                with self._lock:
                    self.found[kernel] = found
                    said = found if isinstance(found, str) else ", ".join(str(cls.check) for cls in found.classes[:3])
                    self._progress(f"{kernel.environment} {kernel.dtype} {kernel.terms}: {said}")

    def ask(self, question: Question, folder: Path, terms: Sequence[int], device: str) -> None:
        """Look for a network that answers a question, with more terms where the sides do not differ with few."""
        said: dict[str, Any] = {}
        for count in terms:
            if self.clock.left < 20:
                said = said or {"verdict": "not asked: the time was over"}
                break
            said = _asked(question, folder, count, device, min(90.0, self.clock.left - 5))
            if said["verdict"] == "found":
                break
        with self._lock:
            self.answers.append(
                {"question": question.name, "dtype": question.dtype, "a": question.a, "b": question.b}
                | {"silent": list(question.silent)}
                | said
            )
            self._progress(f"{question.name}: {said['verdict']}")


def _asked(question: Question, folder: Path, terms: int, device: str, seconds: float) -> dict[str, Any]:
    """One run of the command line, as a user would type it; what it found, and what the replay in every environment says."""
    file = folder / f"{question.name.replace(', ', '-').replace(' ', '-').lower()}-{terms}.json"
    file.unlink(missing_ok=True)
    silent = [part for side in question.silent for part in ("--silent", side)]
    target = "--only-in" if question.silent else "--b"
    arguments = ["order", "--a", question.a, target, question.b, *silent, "--terms", str(terms), "--dtype", question.dtype]
    arguments += [
        "--timeout",
        "20",
        "--library",
        "torch,numpy",
        "--device",
        device,
        "--batch",
        "1,64",
        "--out",
        str(file),
        "--json",
    ]
    started = time.monotonic()
    done = _fpsynth(arguments, seconds)
    said = {"command": "fpsynth " + " ".join(arguments), "terms": terms, "seconds": round(time.monotonic() - started, 1)}
    if isinstance(done, str):
        return {**said, "verdict": done}
    code, found = done
    said |= {"exit": code, "verdict": found.get("verdict", "?"), "witness": file.name if file.exists() else None}
    if file.exists():
        said["views"] = _views(json.loads(file.read_text()))
        left = seconds - (time.monotonic() - started)
        again = _fpsynth(["replay", str(file), "--library", "torch", "--device", device, "--batch", "1,64", "--json"], left)
        said["replay_exit"] = again if isinstance(again, str) else again[0]
    return said


def _views(witness: dict[str, Any]) -> list[dict[str, Any]]:
    """What each view's own environment returned, and whether that is what was predicted."""
    seen = {record["view"]: record for record in witness["observations"] if record["view"]}
    return [
        {
            "environment": view["environment"],
            "predicted": view["logits"],
            "returned": seen.get(view["name"], {}).get("logits"),
            "not_run": seen.get(view["name"], {}).get("not_run", "no observation"),
            "departs": seen.get(view["name"], {}).get("departs"),
        }
        for view in witness["views"]
    ]


def _fpsynth(arguments: Sequence[str], seconds: float) -> tuple[int, dict[str, Any]] | str:
    """The exit code and the JSON object of one command; or why there is none, in one line."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fpsynth", *arguments],
            capture_output=True,
            text=True,
            timeout=max(1.0, seconds),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:.0f} s"
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        return f"exit {done.returncode}: {' '.join(done.stderr.split())[-300:]}"


def shares(todo: Sequence[Kernel]) -> list[list[Kernel]]:
    """Kernels of one process together, a few at a time, in their order."""
    open_shares: dict[object, list[Kernel]] = {}
    found: list[list[Kernel]] = []
    for kernel in todo:
        process = kernel.environment.process
        if len(open_shares.get(process, [])) in (0, SHARE):
            open_shares[process] = []
            found.append(open_shares[process])
        open_shares[process].append(kernel)
    return found


def carried_out(run: Run, todo: Sequence[Sequence[Kernel]], asked: Sequence[tuple[Question, Path, Sequence[int], str]]) -> None:
    """Reveal and ask, several at a time.  Ctrl-C ends all of it."""
    lanes = max(2, min(LANES, os.cpu_count() or 1))
    asking, revealing = ThreadPoolExecutor(max(1, lanes // 4)), ThreadPoolExecutor(lanes - max(1, lanes // 4))
    pending = [asking.submit(run.ask, *each) for each in asked] + [revealing.submit(run.share, share) for share in todo]
    try:
        for each in pending:
            each.result()
    except BaseException:
        run.clock.allowed = 0.0  # threads begin nothing new
        asking.shutdown(wait=False, cancel_futures=True)
        revealing.shutdown(wait=False, cancel_futures=True)
        kill_all()
        raise


def summary(run: Run, todo: Sequence[Kernel], said: dict[str, Any], facts: dict[str, str], device: str) -> str:
    """The text that is kept and printed last."""
    revealed = [found for kernel in todo if isinstance(found := run.found.get(kernel), Reveal)]
    refused = [(kernel, found) for kernel in todo if isinstance(found := run.found.get(kernel), str)]
    perfect = sum(found.explained for found in revealed)
    gpu = ", ".join(f"{name} {facts[name]}" for name in ("gpu", "compute_capability", "driver", "cuda") if name in facts)
    lines = [
        f"fpsynth on {'a GPU: ' + gpu if device == 'cuda' else 'the CPU (a rehearsal)'}",
        machine(said),
        f"{perfect} of {len(revealed)} revealed kernels explain all of {run.vectors} hostile vectors per class of positions;"
        f" {len(refused)} could not be run; {len(todo) - len(run.found)} not tried; {run.clock.seconds:.0f} s in all",
        "",
        reveal_table(revealed, ROW),
    ]
    notes = [
        f"{found.kernel.environment} {found.kernel.dtype} {found.kernel.terms}: {note}"
        for found in revealed
        for note in found.notes
    ]
    notes += [f"{kernel.environment} {kernel.dtype} {kernel.terms}: not run: {why}" for kernel, why in refused]
    lines += ["", "notes", *notes] if notes else []
    lines += ["", "networks on which two of them disagree"]
    for answer in run.answers:
        confirmed = "confirmed" if answer.get("exit") == 0 and answer["verdict"] == "found" else ""
        parts = [answer["verdict"], confirmed, f"{answer.get('terms', '-')} terms", f"{short(answer.get('seconds', 0))} s"]
        lines.append(f"  {answer['question']:24}  {', '.join(filter(None, parts))}")
    return "\n".join(lines) + "\n"


def results(run: Run, todo: Sequence[Kernel], said: dict[str, Any], facts: dict[str, str], device: str) -> dict[str, Any]:
    """The JSON that is kept; trees of more than 64 leaves by their description only."""
    return {
        **said,
        "device": device,
        "facts": facts,
        "vectors": run.vectors,
        "seconds": round(run.clock.seconds, 1),
        "reveals": [_entry(kernel, run.found[kernel]) for kernel in todo if kernel in run.found],
        "not_tried": len(todo) - len(run.found),
        "questions": run.answers,
    }


def _entry(kernel: Kernel, found: Reveal | str) -> dict[str, Any]:
    named = {"kernel": str(kernel.environment), "dtype": kernel.dtype.name, "terms": kernel.terms, "outputs": kernel.outputs}
    if isinstance(found, str):
        return {**named, "not_run": found}
    whole = reveal_to_json(found)
    whole = {name: whole[name] for name in whole if name not in ("kernel", "facts", "alignment", "threads")}
    for told, cls in zip(whole["classes"], found.classes, strict=True):
        told["text"], told["positions"] = str(cls.arithmetic), len(cls.positions)
        if kernel.terms > 64:
            told.pop("arithmetic")
        if kernel.terms > 784 and told["first"] is not None:
            told["first"] = {name: told["first"][name] for name in ("library", "predicted")}
    return {**named, "launched": found.facts.get("launched", ""), **whole}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=8.5, help="after which nothing new is begun (default %(default)s)")
    parser.add_argument("--vectors", type=int, default=10_000, help="that check a reveal (default %(default)s)")
    parser.add_argument("--libraries", default=",".join(NAMES))
    parser.add_argument("--terms", default="", help="only these numbers of terms")
    parser.add_argument("--kernels", type=int, default=1 << 20, help="at most so many kernels")
    parser.add_argument("--name", default="gpu", help="of the files (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not has_gpu():
        print(
            "benchmarks/gpu.py: no GPU (or no CUDA driver) on this machine; --device cpu rehearses on the CPU", file=sys.stderr
        )
        return 2
    terms = whole_numbers(given.terms, "--terms", 1, MAX_TERMS) if given.terms else []
    clock = Clock(given.minutes)
    run = Run(clock, given.vectors)
    todo, impossible = kernels(given.device, given.libraries.split(","), terms)
    todo = todo[: given.kernels]
    for line in impossible if given.device == "cuda" else ():  # the switches are for a GPU
        print(f"not planned: {line}", file=sys.stderr)
    asked = questions() if given.device == "cuda" else rehearsed()
    witnesses = given.out / f"{given.name}_witnesses"
    witnesses.mkdir(parents=True, exist_ok=True)
    said = conditions(("numpy", "torch", "jax", "cupy-cuda13x", "cupy-cuda12x", "tensorflow", "ml_dtypes"))

    def save() -> str:
        facts = next((found.facts for found in run.found.values() if isinstance(found, Reveal)), {})
        try:
            text = summary(run, todo, said, facts, given.device)
        except Exception as error:  # what was measured is worth more than the table
            text = f"the table could not be made ({type(error).__name__}: {error}); the JSON beside it has everything\n"
        keep(given.out, given.name, results(run, todo, said, facts, given.device), text)
        return text

    run.save = save
    try:
        carried_out(run, shares(todo), [(question, witnesses, terms or TERMS, given.device) for question in asked])
    except KeyboardInterrupt:
        return 130
    print(save(), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
