"""Other forms: programs in C that are compiled and run, scripts that need onnxruntime alone, tellings."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import z3
from command_line import ENVIRONMENT, fpsynth_here
from profiles import SLOW

from fpsynth.corpus.exporting.export import export_corpus
from fpsynth.corpus.exporting.programs import program_files, sequential
from fpsynth.corpus.exporting.scripts import reproduce
from fpsynth.corpus.exporting.why import why
from fpsynth.corpus.families.base import stack
from fpsynth.corpus.instances.data import RUNTIME
from fpsynth.corpus.instances.storing import model_of, write_corpus
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import grid_of
from fpsynth.corpus.making import WantedCorpus, make
from fpsynth.errors import InputError
from fpsynth.networks.network import dense_relu
from fpsynth.verifiers.properties import ExactBox, Inequality, Property
from fpsynth.verifiers.vnnlib import load_vnnlib
from fpsynth.witness.numerals import exact_text

CATEGORIES = ("tie", "order", "flip", "relu", "interval", "folding", "broken", *(("rare", "blind") if SLOW else ()))
COMPILER = shutil.which("gcc")


@pytest.fixture(scope="module")
def made():
    return make(WantedCorpus(22 if SLOW else 13, 6, CATEGORIES), workers=1)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """What gives a program its inputs, compiled."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "nondet.c").write_text(NONDET)
    command = [COMPILER, "-c", "-O2", "-Werror", str(folder / "nondet.c"), "-o", str(folder / "nondet.o")]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return str(folder / "nondet.o")


NONDET = """
#include <stdio.h>
#include <stdlib.h>
static FILE *file;
float __VERIFIER_nondet_float(void) {
  float number;
  if (!file) file = fopen(getenv("NUMBERS"), "r");
  if (fscanf(file, "%a", &number) != 1) exit(99);
  return number;
}
"""


def compiled(instance, folder, inputs):
    texts, truth = program_files(instance)
    (folder / "program.c").write_text(texts[f"{instance.name}.c"])
    sources = [str(folder / "program.c"), inputs]
    command = [COMPILER, "-O2", "-ffp-contract=off", "-Werror", *sources, "-o", str(folder / "program")]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return truth


def reaches_error(folder, point):
    """Whether the program fails its assertion for these inputs."""
    (folder / "numbers").write_text(" ".join(float(x).hex() for x in point))
    done = subprocess.run(
        [str(folder / "program")], env={"NUMBERS": str(folder / "numbers")}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode in (0, -6), done.stderr
    assert (done.returncode == -6) == ("reach_error" in done.stderr)
    return done.returncode == -6


@pytest.mark.skipif(COMPILER is None, reason="there is no gcc")
def test_programs_reach_their_error_where_and_only_where_it_is_said(made, inputs, tmp_path):
    verdicts = set()
    for number, instance in enumerate(made.instances[:: 1 if SLOW else 3]):
        if instance.category == "folding":
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        truth = compiled(instance, folder, inputs)
        verdicts.add(truth.label.verdict)
        if truth.label.verdict == "sat":
            assert reaches_error(folder, truth.label.witness)
        points = grid_of(instance.box).drawn(20, random.Random(1))
        wrong = violated(instance.unsafe, sequential(instance.network.logits).outputs(points))
        for point, expected in zip(points.tolist(), wrong.tolist(), strict=True):
            assert reaches_error(folder, point) == expected
            assert not (expected and truth.label.verdict == "unsat")
    assert verdicts == {"sat", "unsat"}


@pytest.mark.skipif(COMPILER is None, reason="there is no gcc")
def test_inputs_outside_the_box_end_before_the_assertion(made, inputs, tmp_path):
    instance = made.named("flip_0000")
    compiled(instance, tmp_path, inputs)
    outside = [float(high) * 2 for high in instance.box.upper]
    (tmp_path / "numbers").write_text(" ".join(x.hex() for x in outside))
    done = subprocess.run(
        [str(tmp_path / "program")], env={"NUMBERS": str(tmp_path / "numbers")}, capture_output=True, text=True
    )
    assert done.returncode == -6
    assert "reach_error" not in done.stderr


def test_tasks_say_what_the_program_does(made):
    for instance in made.instances:
        if instance.category == "folding":
            with pytest.raises(InputError, match="in several ways: fold it first"):
                program_files(instance)
            continue
        texts, truth = program_files(instance)
        expected = "false" if truth.label.verdict == "sat" else "true"
        assert f"expected_verdict: {expected}" in texts[f"{instance.name}.yml"]
        assert f"input_files: '{instance.name}.c'" in texts[f"{instance.name}.yml"]
        assert "ffp-contract=off" in texts[f"{instance.name}.c"]


def test_a_program_in_which_a_number_may_overflow_is_none(made):
    """inf >= 1 holds in C, and a label takes an output that is not finite for safe."""
    one = made.named("flip_0000")
    network = dense_relu([(np.array([[1e38], [1.0]], np.float32), None)])
    unsafe = Property(((Inequality(((0, Fraction(-1)),), Fraction(-1)),),))
    for least, refused in ((Fraction(4), True), (Fraction(1), False)):
        box = ExactBox((least,), (least + Fraction(1, 2**20),))
        instance = replace(one, network=network, box=box, unsafe=unsafe, labels=())
        if not refused:
            assert program_files(instance)[1].label.verdict == "sat"
            continue
        with pytest.raises(InputError, match="a number of the program may overflow"):
            program_files(instance)


def test_scripts_reproduce_the_witness_with_onnxruntime_alone(made, tmp_path):
    export_corpus(made, tmp_path / "forms", ["reproduce"])
    scripts = sorted((tmp_path / "forms" / "reproduce").glob("*.py"))
    assert {path.stem for path in scripts} == {one.name for one in made.instances}
    for script in scripts[:4]:
        run_script(script, made.named(script.stem), tmp_path)


def run_script(script, instance, folder):
    """Run it without fpsynth, and hold what it says against the label."""
    assert "fpsynth" not in script.read_text()
    assert len(script.read_text().splitlines()) <= 15
    command = [sys.executable, "-I", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=folder)
    assert done.returncode == 0, done.stderr
    label = instance.label(RUNTIME)
    unsafe = label.margin is not None and label.margin <= 0
    assert unsafe or label.verdict == "unsat" or instance.witness != label.witness
    assert done.stdout.splitlines()[1].startswith("unsafe" if unsafe else "safe")


def test_every_instance_of_a_corpus_is_told_and_has_a_script_that_runs_where_it_lies(made, tmp_path):
    write_corpus(made, tmp_path / "corpus")
    for one in made.instances:
        folder = tmp_path / "corpus" / one.category / one.name
        assert {path.name for path in folder.iterdir()} == {"meta.json", "reproduce.py", "why.txt"}
        assert (folder / "why.txt").read_text() == why(one)
    for name in ("tie_0000", "order_0000", "order_0000_control1", "relu_0000"):
        one = made.named(name)
        run_script(tmp_path / "corpus" / one.category / name / "reproduce.py", one, tmp_path)
    write_corpus(made, tmp_path / "again")
    for path in filter(Path.is_file, (tmp_path / "corpus").rglob("*")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "corpus")).read_bytes()


def test_a_script_fails_where_another_network_lies(made, tmp_path):
    write_corpus(made, tmp_path / "corpus")
    models = tmp_path / "corpus" / "order" / "1.0" / "onnx"
    shutil.copy(models / "order_0000_control1.onnx", models / "order_0000.onnx")
    script = tmp_path / "corpus" / "order" / "order_0000" / "reproduce.py"
    done = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "safe in onnxruntime" in done.stdout


def test_what_a_strangers_record_says_is_never_run(made):
    """A sentence of meta.json goes into a script that people run."""
    sentence = '"""; exec("pwned = 1"); """'
    script = reproduce(replace(made.named("order_0000"), about=sentence), "network.onnx")
    assert sentence in script
    assert "exec" not in compile(script, "reproduce.py", "exec").co_names


def test_tellings_say_where_the_first_number_is_rounded(made):
    text = why(made.named("order_0000"))
    assert "onnxruntime:batch=1: sat (counted" in text
    assert text.count("<- the first that is rounded") == 1
    assert "dense2 (dense): 1 of 2 numbers differ from exact ones" in text
    assert all(why(one).isascii() for one in made.instances)
    assert "A control of order_0000" in why(made.named("order_0000_control1"))


def test_tellings_say_what_is_unsafe_and_what_the_witness_comes_to(made):
    tie, control = (why(made.named(name)) for name in ("tie_0000", "tie_0000_control1"))
    assert "Unsafe outputs: Y_1 <= Y_0." in tie
    (x,) = made.named("tie_0000").witness
    assert f"input:\n  0: {x:.9g} = " in tie
    assert tie.endswith("These outputs are unsafe; without any rounding they are safe.\n")
    assert "These outputs" not in control
    above = Property(((Inequality(((0, Fraction(-1)),), -Fraction(x)),),))
    same = why(replace(made.named("tie_0000"), network=stack(([[1.0]], [0.0])), unsafe=above))
    assert f"Unsafe outputs: {exact_text(Fraction(x))} <= Y_0." in same
    assert same.endswith("These outputs are unsafe; without any rounding they are unsafe.\n")


def test_scripts_and_programs_compare_exactly_with_a_number_that_float32_has_not(made, tmp_path, inputs):
    x = float(np.float32(0.1))
    above = math.nextafter(x, 1)
    assert np.float32(above) == np.float32(x)
    tie = made.named("tie_0000")
    label, network = tie.label(RUNTIME), stack(([[1.0]], [0.0]))
    for limit, unsafe in ((x, True), (above, False)):
        wanted = Property(((Inequality(((0, Fraction(-1)),), -Fraction(limit)),),))
        there = replace(label, witness=(x,), margin=Fraction(limit) - Fraction(x))
        instance = replace(tie, network=network, unsafe=wanted, labels=(there,))
        assert bool(violated(wanted, np.array([[x]]))[0]) == unsafe
        (tmp_path / "one.py").write_text(reproduce(instance, "one.onnx"))
        (tmp_path / "one.onnx").write_bytes(model_of(instance))
        done = subprocess.run([sys.executable, tmp_path / "one.py"], capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        if COMPILER is not None:
            at = replace(instance, box=ExactBox((Fraction(x),), (Fraction(x),)))
            assert (compiled(at, tmp_path, inputs).label.verdict == "sat", reaches_error(tmp_path, (x,))) == (unsafe, unsafe)


def test_every_form_is_written_and_what_is_left_out_is_told(made, tmp_path):
    write_corpus(made, tmp_path / "corpus")
    done = fpsynth_here("corpus", "export", tmp_path / "corpus", "--out", tmp_path / "forms", "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    folding = sum(one.category == "folding" for one in made.instances)
    assert told["written"]["c"] == len(made.instances) - folding
    assert told["written"]["why"] == len(made.instances)
    assert len(told["left_out"]) == folding
    assert (tmp_path / "forms" / "c" / "unreach-call.prp").read_text().startswith("CHECK( init(main())")
    script = tmp_path / "forms" / "generate" / "tie" / "generate_properties.py"
    subprocess.run([sys.executable, "-m", "py_compile", str(script)], check=True)


def generated(script, *words, cwd):
    """What the competition's script does, called from another folder."""
    command = [sys.executable, str(script), *words]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, cwd=cwd)


def test_the_competition_s_script_makes_properties_for_every_seed(made, tmp_path):
    """Read as a scorer does: row by row from instances.csv, by readers of other people."""
    vnnlib = pytest.importorskip("vnnlib")
    compat = pytest.importorskip("vnnlib.compat")
    export_corpus(made, tmp_path / "forms", ["generate"])
    script = tmp_path / "forms" / "generate" / "tie" / "generate_properties.py"
    seen = set()
    for seed in ("9", "10", "2026") if SLOW else ("9", "10"):
        done = generated(script, seed, "2", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"2 instances of seed {seed}: ")
        for version in ("1.0", "2.0"):
            folder = script.parent / version
            rows = [row.split(",") for row in (folder / "instances.csv").read_text().splitlines()]
            assert len(rows) == 2
            for model, query, seconds in rows:
                assert int(seconds) > 0
                onnx.checker.check_model(onnx.load(folder / model), full_check=True)
                session = onnxruntime.InferenceSession(folder / model, providers=["CPUExecutionProvider"])
                (x,) = session.get_inputs()
                (y,) = session.run(None, {x.name: np.zeros(x.shape, np.float32)})
                assert x.shape[0] == y.shape[0] == 1
                if version == "1.0":
                    ((box, unsafe),) = load_vnnlib(folder / query).boxes
                    unsafe.require(y.size)
                    assert len(z3.parse_smt2_file(str(folder / query))) == 2 * len(box.lower) + 1  # it is SMT-LIB as well
                else:
                    (case,) = compat.transform(vnnlib.parse_query_file(str(folder / query)))
                    assert [list(map(Fraction, ends)) for ends in case.input_box] == [
                        [Fraction(float(low)), Fraction(float(high))] for low, high in zip(box.lower, box.upper, strict=True)
                    ]
                assert len(box.lower) == math.prod(x.shape)
                seen.add((version, (folder / model).read_bytes(), (folder / query).read_bytes()))
    assert len(seen) == (12 if SLOW else 8), "each seed draws others"
    assert sorted(path.name for path in script.parent.iterdir()) == ["1.0", "2.0", "generate_properties.py"]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ([], "usage: generate_properties.py SEED [COUNT]", 1),
        (["x"], "argument --seed: invalid int value: 'x'", 2),
        (["1", "0"], "the number of instances must be from 1 to", 2),
        (["-4"], "the seed must be from 0 to 2147483647, not -4", 2),
    ],
)
def test_the_competition_s_script_refuses_in_a_line(made, tmp_path, words, said, code):
    export_corpus(made, tmp_path / "forms", ["generate"])
    script = tmp_path / "forms" / "generate" / "tie" / "generate_properties.py"
    done = generated(script, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr.splitlines()[-1]
    assert os.listdir(script.parent) == [script.name]
