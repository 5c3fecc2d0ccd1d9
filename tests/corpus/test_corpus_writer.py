"""What is written of a witness is enough for other tools to find the counterexample again."""

import hashlib
import json
import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from witnesses import RADIUS, W1, W2, XA, XB, published

from fpsynth import files
from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.corpus.benchmark import Benchmark
from fpsynth.corpus.writer import write_corpus, write_witness_folder
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT8_E5M2, FLOAT16, TF32
from fpsynth.networks.certifier_text import read_network, read_query
from fpsynth.networks.network import Dense, Network
from fpsynth.networks.onnx import read_onnx
from fpsynth.witness import load

ASSIGNMENT = re.compile(r"\(([XY])_(\d+) (-?[0-9]+\.[0-9]+)\)")


def float16_witness():
    """Neighbouring weights and neighbouring inputs: the products with 0.7509765625 tie, those with 0.75146484375 do not."""
    return replace(
        published(),
        format=FLOAT16,
        network=Network((Dense(((0.75, 0.0), (0.75048828125, 0.0))),)),
        certified=(0.75146484375, 0.0),
        counterexample=(0.7509765625, 0.0),
        deployment=Deployment(Arithmetic(FLOAT16)),
    )


def in_format(witness, fmt):
    """Numbers that every format holds, with a tie at 0 that is one over the reals too."""
    return replace(
        witness,
        format=fmt,
        network=Network((Dense(((1.0,), (1.25,))),)),
        certified=(1.25,),
        counterexample=(0.0,),
        certificate=replace(witness.certificate, radius=Fraction(2)),
        deployment=Deployment(Arithmetic(fmt)),
    )


def assigned(text):
    verdict, _, rest = text.partition("\n")
    assert verdict == "sat"
    found = {(tensor, int(k)): Fraction(value) for tensor, k, value in ASSIGNMENT.findall(rest)}
    return tuple([found[t, k] for k in range(sum(name == t for name, _ in found))] for t in "XY")


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folder_of_the_published_witness(tmp_path):
    assert write_witness_folder(published(), tmp_path / "w") == ()
    folder = tmp_path / "w"
    assert names_in(folder) == [
        "certifier_network.txt",
        "certifier_query.txt",
        "counterexample.txt",
        "network.onnx",
        "property.float32.vnnlib",
        "property.real.vnnlib",
        "property.vnnlib",
        "witness.json",
    ]
    assert load(folder / "witness.json") == published()
    assert read_onnx(folder / "network.onnx")[0] == published().network
    assert read_network((folder / "certifier_network.txt").read_text()).layers[0].weight == ((Fraction(W1),), (Fraction(W2),))
    logits, radius = read_query((folder / "certifier_query.txt").read_text())
    assert radius == RADIUS
    assert logits[1] - logits[0] == Fraction(1, 2**26)


def test_onnxruntime_finds_the_counterexample_again_from_the_files_alone(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    import numpy as np

    write_witness_folder(published(), tmp_path / "w")
    inputs, outputs = assigned((tmp_path / "w" / "counterexample.txt").read_text())
    assert inputs == [Fraction(XA)]
    session = onnxruntime.InferenceSession(str(tmp_path / "w" / "network.onnx"), providers=["CPUExecutionProvider"])
    x = np.array([[float(v) for v in inputs]], dtype=np.float32)
    assert [Fraction(float(v)) for v in x[0]] == inputs
    (logits,) = session.run(None, {session.get_inputs()[0].name: x})
    assert logits.shape == (1, 2)
    assert [Fraction(float(v)) for v in logits[0]] == outputs
    assert int(logits[0].argmax()) == 0
    (certified,) = session.run(None, {session.get_inputs()[0].name: np.array([[XB]], dtype=np.float32)})
    assert int(certified[0].argmax()) == 1


def test_the_counterexample_satisfies_the_queries_and_the_certified_point_does_not(tmp_path):
    vnnlib = pytest.importorskip("vnnlib")
    compat = pytest.importorskip("vnnlib.compat")
    write_witness_folder(published(), tmp_path / "w")
    benchmark = Benchmark(published())
    for element in ("float32", "real"):
        query = vnnlib.parse_query_file(str(tmp_path / "w" / f"property.{element}.vnnlib"))
        (case,) = compat.transform(query)
        ((low, high),) = case.input_box
        assert low <= XA <= high
        assert low <= XB <= high
        (polytope,) = case.output_constraints
        (row,), (bound,) = polytope.coeff_matrix, polytope.rhs

        def satisfied(logits, row=row, bound=bound):
            return sum(Fraction(c) * Fraction(y) for c, y in zip(row, logits, strict=True)) <= bound

        assert satisfied(benchmark.logits[1])
        assert not satisfied(benchmark.logits[0])
        # over the reals neither point does
        assert not satisfied([Fraction(W1) * Fraction(XA), Fraction(W2) * Fraction(XA)])


def test_a_corpus_has_the_layout_of_the_competition(tmp_path):
    folder = tmp_path / "deep" / "corpus"
    assert write_corpus([published(), float16_witness()], folder, timeout=30) == ()
    rows = [line.split(",") for line in (folder / "instances.csv").read_text().splitlines()]
    assert rows == [
        ["onnx/tie_float32_1x2_000.onnx", "vnnlib/tie_float32_1x2_000.vnnlib", "30"],
        ["onnx/tie_float16_2x2_001.onnx", "vnnlib/tie_float16_2x2_001.vnnlib", "30"],
    ]
    assert all((folder / name).is_file() for row in rows for name in row[:2])
    manifest = json.loads((folder / "manifest.json").read_text())
    expected = [entry["expected"] for entry in manifest["instances"]]
    assert expected == [{"float32": "sat", "real": "unsat"}, {"float16": "sat", "real": "unsat"}]
    assert manifest["instances"][0]["confirmed_by"] == ["numpy"]
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names_in(folder)}
    del hashes["manifest.json"]
    assert manifest["sha256"] == hashes
    for entry in manifest["instances"]:
        named = [n for n in entry["files"].values() if isinstance(n, str)] + list(entry["files"]["vnnlib2"].values())
        assert set(named) <= set(hashes)
        assert load(folder / entry["files"]["witness"]).format.name == entry["dtype"]


def test_the_same_witnesses_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_corpus([published()], tmp_path / name)
    assert names_in(tmp_path / "a") == names_in(tmp_path / "b")
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names_in(tmp_path / "a"))


@pytest.mark.parametrize(("fmt", "queries"), [(FLOAT8_E5M2, ["float8e5m2", "real"]), (TF32, ["real"])])
def test_what_a_format_cannot_be_written_as_is_left_out_and_said(tmp_path, fmt, queries):
    left_out = write_corpus([in_format(published(), fmt)], tmp_path / "c")
    assert len(left_out) == 1
    assert left_out[0].startswith(f"onnx/tie_{fmt.name}_1x2_000.onnx: ")
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    (entry,) = manifest["instances"]
    assert entry["left_out"] == list(left_out)
    assert list(entry["files"]["vnnlib2"]) == queries
    assert entry["expected"]["real"] == "unknown"  # the tie at 0 is one over the reals too: no proof of robustness
    assert "onnx" not in entry["files"]
    assert (tmp_path / "c" / "instances.csv").read_text() == ""


def test_biases_are_beyond_the_certifiers_text(tmp_path):
    witness = published()
    witness = replace(witness, network=Network((Dense(witness.network.layers[0].weight, (0.0, 0.0)),)))
    (left_out,) = write_witness_folder(witness, tmp_path / "w")
    assert left_out == "certifier_network.txt: the certifier's format knows no biases"
    assert "certifier_query.txt" not in names_in(tmp_path / "w")


@pytest.mark.parametrize("write", [write_witness_folder, lambda witness, folder: write_corpus([witness, witness], folder)])
def test_nothing_is_left_behind_when_writing_fails_midway(tmp_path, monkeypatch, write):
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(InputError, match="No space left on device"):
        write(published(), tmp_path / "deep" / "w")
    assert len(calls) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "note").write_text("mine")
    for write in (write_witness_folder, lambda witness, folder: write_corpus([witness], folder)):
        with pytest.raises(InputError, match="exists and is not empty"):
            write(published(), tmp_path)
    assert names_in(tmp_path) == ["note"]


def test_points_of_one_class_are_no_benchmark(tmp_path):
    with pytest.raises(InputError, match="both points are predicted to have class 1"):
        write_witness_folder(replace(published(), counterexample=(XB,)), tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one witness"):
        write_corpus([], tmp_path / "c")
    with pytest.raises(InputError, match="at least 1 second"):
        write_corpus([published()], tmp_path / "c", timeout=0)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_no_text_in_a_witness_changes_a_query(tmp_path, text):
    witness = replace(published(), certificate=replace(published().certificate, certifier=text))
    plain, odd = Benchmark(published()).query1(), Benchmark(witness).query1()
    assert [line for line in odd.split("\n") if not line.startswith(";")] == [
        line for line in plain.split("\n") if not line.startswith(";")
    ]
