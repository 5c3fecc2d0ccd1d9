"""A witness is confirmed by what libraries really return; what was not run says why."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from ties import PUBLISHED, changed, tie

from fpsynth.confirmation import replay
from fpsynth.confirmation.replay import _Request, _Run
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64
from fpsynth.libraries.base import Outputs
from fpsynth.libraries.kernels import Process
from fpsynth.libraries.pool import CallResult, LibraryPool, PoolMember
from fpsynth.libraries.registry import names_for
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.witness.file import parse, text
from fpsynth.witness.prediction import floats_at

BATCHES = (1, 4, 64)


def test_the_prediction_is_the_tie() -> None:
    certified, counterexample = (floats_at(PUBLISHED, view) for view in PUBLISHED.views)
    assert counterexample == (0.15624786913394928, 0.15624786913394928)
    assert certified[1] > certified[0]


def test_predictions_keep_the_sign_of_zero() -> None:
    """A weight of -0: the product with a positive number is -0, which is no +0 in a comparison of bits."""
    witness = tie((-0.0, 0.0), 1.0, 2.0)
    certified = floats_at(witness, witness.reference)
    assert [math.copysign(1.0, v) for v in certified] == [-1.0, 1.0]


def test_real_arithmetic_cannot_be_replayed() -> None:
    with pytest.raises(InputError, match="real arithmetic"):
        replay(changed(PUBLISHED, deployment=Deployment(REAL)), libraries=["numpy"])


@pytest.fixture(scope="module")
def numpy_pool() -> Iterator[LibraryPool]:
    with LibraryPool(["numpy"]) as started:
        yield started


def test_a_replayed_file_of_version_1_says_the_logits_that_its_runs_are_compared_with(numpy_pool: LibraryPool) -> None:
    """Else what is written of it would contradict itself: the runs agree with views that have no logits."""
    assert not any(view.logits for view in PUBLISHED.views)
    replayed = replay(PUBLISHED, pool=numpy_pool)
    assert [tuple(map(float, view.logits)) for view in replayed.views] == [floats_at(PUBLISHED, v) for v in PUBLISHED.views]
    assert all(seen.agrees_with == ("b", "a") for seen in replayed.observations)
    assert parse(text(replayed)) == replayed
    claims = {finding.claim: finding.holds for finding in check(replayed).findings}
    assert claims["the measure is right"]
    assert claims["the logits of b (float32 sequential) are right"]


def test_no_flip_no_confirmation(numpy_pool: LibraryPool) -> None:
    """The same weights at a point that does not tie."""
    witness = tie((0.5, 0.75), 0.25, 0.5)
    records = replay(witness, pool=numpy_pool).observations
    assert records
    assert not any(record.departs for record in records)
    assert all(record.accepted for record in records)


def test_a_flip_that_the_certifier_does_not_cover_is_no_confirmation(numpy_pool: LibraryPool) -> None:
    """Real networks change class somewhere: without a certificate that is no contradiction."""
    network = dense_relu((Dense(((1.0,), (0.5,)), (0.0, 0.25)),))
    witness = changed(tie((0.5, 0.75), 0.25, 1.0), network=network)
    records = replay(witness, pool=numpy_pool).observations
    assert all(r.reference_class != r.class_index for r in records)
    assert not any(r.departs or r.accepted for r in records)


def test_logits_that_overflow_are_never_judged(numpy_pool: LibraryPool) -> None:
    """A certifier reads numbers, not infinities; here the file says that there are none."""
    witness = tie((32768.0, 65504.0), 0.5, 4.0, FLOAT16)
    with pytest.raises(InputError, match="view b: a logit is infinite or NaN in float16"):
        replay(witness, pool=numpy_pool)
    told = replace(witness, views=tuple(replace(view, logits=(Fraction(1), Fraction(2))) for view in witness.views))
    records = replay(told, pool=numpy_pool).observations
    assert records
    assert all(record.reference_logits == (math.inf, math.inf) for record in records)
    assert not any(record.departs or record.accepted or record.agrees_with for record in records)


def test_float64_ties_are_replayed_in_float64(numpy_pool: LibraryPool) -> None:
    w0 = 0.75
    w1 = math.nextafter(w0, 1)
    x = next(x for x in (0.7 + k * 2.0**-53 for k in range(99)) if w0 * x == w1 * x)
    xb = next(y for y in (0.8 + k * 2.0**-53 for k in range(99)) if w0 * y < w1 * y)
    witness = tie((w0, w1), x, xb, FLOAT64)
    records = replay(witness, pool=numpy_pool).observations
    assert records
    assert all(record.departs for record in records), records


def test_what_a_library_cannot_run_is_one_record(numpy_pool: LibraryPool) -> None:
    """Not one per batch size; and the variant that can is still run."""
    pytest.importorskip("ml_dtypes")
    records = replay(tie((1.0, 2.0), 0.5, 1.0, FLOAT8_E5M2), pool=numpy_pool, batches=BATCHES).observations
    refused = [record for record in records if record.not_run]
    assert [(r.variant, r.batch, r.not_run) for r in refused] == [
        ("matmul", 0, "the result for float8_e5m2 comes back in float32")
    ]
    ran = {(r.variant, r.batch) for r in records if not r.not_run}
    assert ran == {(variant, batch) for variant in ("dot", "dot-rows") for batch in BATCHES}


def test_a_killed_library_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with LibraryPool(["numpy", "onnxruntime"]) as two:
        if two.members["onnxruntime"].version is None:
            pytest.skip("onnxruntime is not installed")
        two.wait()
        victim = two.members["onnxruntime"].worker
        assert victim is not None
        victim.process.kill()
        records = replay(PUBLISHED, pool=two).observations
    (lost,) = [record for record in records if record.library == "onnxruntime"]
    assert lost.not_run.startswith("crashed")
    assert lost.variant == ""
    assert all(record.departs for record in records if record.library == "numpy")


def test_rows_with_different_logits_are_different_records() -> None:
    """In one batch, row 2 was summed in another order and does not tie."""
    tied, gap, top = (0.5, 0.5), (0.5, 0.625), (0.5, 0.75)
    answers = {
        "certified": CallResult(Outputs((top, top, top, top), (1, 1, 1, 1))),
        "counterexample": CallResult(Outputs((tied, tied, gap, tied), (0, 0, 1, 0))),
    }
    sides = zip(PUBLISHED.views, (top, gap), strict=True)
    predicted = replace(PUBLISHED, views=tuple(replace(view, logits=tuple(map(Fraction, said))) for view, said in sides))
    run = _Run(Process("torch", "cpu"), "linear", 4, FLOAT32)
    records = list(_Request(predicted, lambda logits: True)._records(run, PoolMember("torch", ("linear",), "2.0"), answers))
    assert [(r.rows, r.departs, r.agrees_with) for r in records] == [
        ((0, 1, 3), True, ("b",)),
        ((2,), False, ("b", "a")),
    ]


@pytest.mark.parametrize("batches", [(), (0,), (4, -1)])
def test_bad_batch_sizes(numpy_pool: LibraryPool, batches: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="batch sizes"):
        replay(PUBLISHED, pool=numpy_pool, batches=batches)


ALONE = """
import importlib.util, json, sys
from dataclasses import replace
from ties import PUBLISHED, changed
from fpsynth.confirmation import replay
# the certifier that needs no other package
exact = changed(PUBLISHED, claim=replace(PUBLISHED.claim, verifier="lipschitz-exact"))
records = replay(exact, batches=(1, 4)).observations
print(json.dumps([[r.library, r.variant, r.batch, r.departs, r.not_run] for r in records]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="links packages into an environment")
def test_a_machine_with_numpy_alone(tmp_path: Path) -> None:
    """A fresh environment into which only numpy is linked: it confirms, all others are listed as not installed."""
    import numpy

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "alone")], check=True)
    (packages,) = (tmp_path / "alone" / "lib").glob("python*/site-packages")
    installed = Path(numpy.__file__).parents[1]
    for found in installed.glob("numpy*"):
        (packages / found.name).symlink_to(found)
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    done = subprocess.run(
        [str(tmp_path / "alone" / "bin" / "python"), "-c", ALONE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert [r for r in records if r[0] == "numpy"] == [
        ["numpy", variant, batch, True, ""] for variant in ("matmul", "dot", "dot-rows") for batch in (1, 4)
    ]
    assert [r for r in records if r[0] != "numpy"] == [
        [name, "", 0, False, "not installed"] for name in names_for("cpu") if name != "numpy"
    ]
