"""What is written of a witness is enough for other tools to find the counterexample again."""

import hashlib
import json
import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from profiles import examples
from ties import changed, claim
from witnesses import RADIUS, W1, W2, XA, XB, published

from fpsynth import files
from fpsynth.corpus.benchmark import Benchmark
from fpsynth.corpus.writer import notes, require_corpus, write_corpus, write_witness_folder
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, TF32
from fpsynth.networks.certifier_text import read_network, read_query
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.onnx import onnx_bytes, read_onnx, require_checked
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Observation, load

ASSIGNMENT = re.compile(r"\(([XY])_(\d+) (-?[0-9]+\.[0-9]+)\)")


def float16_witness():
    """Neighbouring weights and neighbouring inputs: the products with 0.7509765625 tie, those with 0.75146484375 do not."""
    return changed(
        published(),
        format=FLOAT16,
        network=dense_relu((Dense(((0.75, 0.0), (0.75048828125, 0.0))),)),
        certified=(0.75146484375, 0.0),
        counterexample=(0.7509765625, 0.0),
        deployment=Deployment(Arithmetic(FLOAT16)),
    )


def in_format(witness, fmt):
    """Numbers that every format holds, with a tie at 0 that is one over the reals too."""
    return changed(
        witness,
        format=fmt,
        network=dense_relu((Dense(((1.0,), (1.25,))),)),
        certified=(1.25,),
        counterexample=(0.0,),
        claim=claim(witness.claim.verifier, True, Fraction(2), witness.claim.reach),
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
    assert read_network((folder / "certifier_network.txt").read_text()).dense_layers[0].weight.tolist() == [
        [Fraction(W1)],
        [Fraction(W2)],
    ]
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


def test_the_readme_of_a_corpus_fits_80_columns(tmp_path):
    write_corpus([published()], tmp_path / "corpus")
    lines = (tmp_path / "corpus" / "README.txt").read_text().splitlines()
    assert len(lines) > 30
    assert max(map(len, lines)) <= 80


def test_the_same_witnesses_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_corpus([published()], tmp_path / name)
    assert names_in(tmp_path / "a") == names_in(tmp_path / "b")
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names_in(tmp_path / "a"))


@pytest.mark.parametrize(("fmt", "queries"), [(FLOAT8_E5M2, ["float8e5m2", "real"]), (TF32, ["real"])])
def test_what_a_format_cannot_be_written_as_is_left_out_and_said(tmp_path, fmt, queries):
    odd = in_format(published(), fmt)
    left_out = write_witness_folder(odd, tmp_path / "w")
    assert left_out[0].startswith("network.onnx: ONNX has no ")
    untyped = "property.tf32.vnnlib: VNN-LIB 2.0 has no element type tf32, only the query over the reals is written"
    assert list(left_out[1:]) == [untyped] * (fmt is TF32)
    assert [name for name in names_in(tmp_path / "w") if name.count(".") == 2] == [f"property.{q}.vnnlib" for q in queries]
    write_corpus([published(), odd], tmp_path / "c")
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    entry = manifest["instances"][1]
    assert entry["left_out"][0].startswith(f"onnx/tie_{fmt.name}_1x2_001.onnx: ")
    assert list(entry["files"]["vnnlib2"]) == queries
    assert entry["expected"]["real"] == "unknown"  # the tie at 0 is one over the reals too: no proof of robustness
    assert entry["shown_by"]["real"] == "nothing: no proof was found"
    assert "onnx" not in entry["files"]
    assert len((tmp_path / "c" / "instances.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize("fmt", [FLOAT8_E5M2, TF32])
def test_a_corpus_without_instances_is_refused_and_nothing_is_written(tmp_path, fmt):
    with pytest.raises(InputError, match=f"would have no instance: .*ONNX has no {fmt.name} networks"):
        write_corpus([in_format(published(), fmt)], tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=f"has no {fmt.name} networks"):
        require_corpus(fmt)
    require_corpus(FLOAT16)


def in_onnxruntime(**changes):
    """The replay of a witness in ONNX Runtime: the counterexample's class is 0, as predicted, unless changed."""
    logits = {"reference_logits": (0.0, 0.5), "logits": (0.5, 0.5)}
    seen = Observation("onnxruntime", "1.31.0", "matmul", "cpu", 1, (0,), **logits)
    return replace(published(), observations=(*published().observations, replace(seen, **changes)))


def test_verdicts_say_what_shows_them():
    benchmark = Benchmark(published())
    assert benchmark.shown_by() == {
        "float32": "exact evaluation in float32 sequential; replayed in numpy",
        "real": "a proof in exact arithmetic",
    }
    alone = Benchmark(replace(published(), observations=()))
    assert alone.shown_by()["float32"] == "exact evaluation in float32 sequential; not shown by a replay"
    for text in (alone.query1(), alone.queries2()["float32"]):
        assert "; expected over float32: sat (exact evaluation in float32 sequential; not shown by a replay)" in text
    assert "; in ONNX Runtime: unknown (not replayed)" in alone.query1()


def test_onnx_runtime_says_sat_only_where_it_was_run_and_gave_it():
    assert Benchmark(published()).in_onnxruntime() == {"verdict": "unknown", "shown_by": "not replayed"}
    said = Benchmark(in_onnxruntime()).in_onnxruntime()
    assert said == {"verdict": "sat", "shown_by": "replayed in onnxruntime 1.31.0, MatMul, batch 1"}
    other = Benchmark(in_onnxruntime(logits=(0.25, 0.5))).in_onnxruntime()
    assert other == {"verdict": "unknown", "shown_by": "onnxruntime 1.31.0 gives the counterexample class 1"}
    wide = Benchmark(in_onnxruntime(batch=64)).in_onnxruntime()  # not the network that is written
    assert wide == {"verdict": "unknown", "shown_by": "not replayed"}


def test_what_onnx_runtime_refuses_is_written_and_said(tmp_path):
    refused = in_onnxruntime(not_run="no implementation for MatMul", batch=0, rows=(), variant="")
    assert write_corpus([refused, refused], tmp_path / "c") == ()
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    reason = "onnxruntime 1.31.0 did not run it: no implementation for MatMul"
    assert [entry["onnxruntime"]["shown_by"] for entry in manifest["instances"]] == [reason] * 2
    assert notes([refused, refused]) == (f"onnx/*.onnx: {reason}",)
    assert notes([in_onnxruntime()]) == ()


def test_bfloat16_networks_pass_onnxs_checker_and_a_broken_model_does_not():
    onnx = pytest.importorskip("onnx")
    network = dense_relu((Dense(((0.5, 0.25), (0.5, 1.0)), (1.0, 0.5)), Dense(((0.5, 0.25), (0.5, 1.0)))))
    data = onnx_bytes(network, BFLOAT16, batch=1)
    require_checked(data)
    model = onnx.load_from_string(data)
    model.graph.node[0].op_type = "NoSuchThing"
    with pytest.raises(InputError, match="does not accept the model"):
        require_checked(model.SerializeToString())


def test_biases_are_beyond_the_certifiers_text(tmp_path):
    witness = published()
    witness = replace(witness, network=dense_relu((Dense(witness.network.dense_layers[0].weight, (0.0, 0.0)),)))
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
        write_witness_folder(changed(published(), counterexample=(XB,)), tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one witness"):
        write_corpus([], tmp_path / "c")
    with pytest.raises(InputError, match="at least 1 second"):
        write_corpus([published()], tmp_path / "c", timeout=0)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_no_text_in_a_witness_changes_a_query(tmp_path, text):
    witness = changed(published(), claim=replace(published().claim, verifier=text))
    plain, odd = Benchmark(published()).query1(), Benchmark(witness).query1()
    assert [line for line in odd.split("\n") if not line.startswith(";")] == [
        line for line in plain.split("\n") if not line.startswith(";")
    ]
