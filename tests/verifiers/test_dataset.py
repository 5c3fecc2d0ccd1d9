"""Claims of dataset.py: counts and bounds on small files, and the published figures on the 8x128 MNIST network."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from profiles import slow

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.layers import AveragePooling, Convolution, Dense, Flatten, ReLU, Softmax
from fpsynth.networks.network import Network, Node
from fpsynth.networks.npz import load_network
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx import onnx_bytes
from fpsynth.verifiers.bounds import float_up
from fpsynth.verifiers.dataset import DatasetCertification, certify_dataset, logits
from fpsynth.verifiers.estimates import Estimating
from fpsynth.verifiers.lipschitz_graph import graph_bounds, network_certifier
from fpsynth.workers.deadlines import OutOfTimeError

DATA = Path(os.environ.get("FPSYNTH_DATA") or Path(__file__).parents[3] / "shared" / "data")
MNIST = DATA / "gloro_mnist_8x128.npz"
IMAGES = DATA / "mnist_t10k.npz"


@pytest.fixture
def files(tmp_path):
    """A layer that compares two pixels, and four images: two clear ones, one close, one wrong."""
    np.savez(tmp_path / "net.npz", W0=np.array([[1.0, 0.0], [0.0, 1.0]]))
    images = np.array([[[255, 0]], [[0, 255]], [[128, 127]], [[0, 255]]], dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.array([0, 1, 0, 0]))
    return tmp_path / "net.npz", tmp_path / "images.npz"


@pytest.mark.parametrize("name", ["lipschitz", "lipschitz-exact", "lipschitz-sound"])
@pytest.mark.parametrize("dtype", [FLOAT16, FLOAT32, FLOAT64], ids=str)
def test_counts(files, name, dtype):
    result = certify_dataset(*files, Fraction("0.5"), name, dtype=dtype)
    assert (result.certified, result.correct, result.certified_and_correct, result.total) == (3, 3, 2, 4)
    assert result.lipschitz[0][0] == 0
    assert 2**0.5 <= result.lipschitz[0][1] < 2**0.5 * (1 + 1e-9)


def test_the_margin_must_exceed_the_bound(files):
    # margin 1, bound sqrt 2: certified below 0.7071
    assert certify_dataset(*files, Fraction("0.7071")).certified == 3
    assert certify_dataset(*files, Fraction("0.7072")).certified == 0
    assert certify_dataset(*files, Fraction(0)).certified == 4


def test_limit_progress_and_json(files):
    seen = []
    result = certify_dataset(*files, Fraction("0.5"), limit=2, progress=lambda *report: seen.append(report))
    assert (result.total, result.certified) == (2, 2)
    assert seen[-1] == ("images", 2, 2)
    data = result.to_json()
    assert {"certified", "correct", "total", "lipschitz"} <= set(data)
    assert data["eps"] == 0.5


def test_floating_images_are_used_as_they_are(files, tmp_path):
    np.savez(tmp_path / "floats.npz", images=np.array([[3.0, 1.0]]), labels=np.array([0]))
    assert certify_dataset(files[0], tmp_path / "floats.npz", Fraction("1.414")).certified == 1


def test_biases_count(tmp_path, files):
    np.savez(tmp_path / "biased.npz", W0=np.eye(2), b0=np.array([0.0, 2.0]))
    result = certify_dataset(tmp_path / "biased.npz", files[1], Fraction("0.1"))
    assert (result.certified, result.correct) == (4, 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"certifier": "magic"}, "unknown certifier"),
        ({"eps": Fraction(-1)}, "negative"),
        ({"dtype": BFLOAT16}, "float16, float32 or float64"),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_bad_arguments_are_refused(files, arguments, reason):
    with pytest.raises(InputError, match=reason):
        certify_dataset(*files, **{"eps": Fraction(1), **arguments})


def test_files_that_do_not_fit_are_refused(files, tmp_path):
    np.savez(tmp_path / "three.npz", images=np.zeros((1, 3), np.uint8), labels=np.array([0]))
    with pytest.raises(InputError, match="2 inputs but the images have 3"):
        certify_dataset(files[0], tmp_path / "three.npz", Fraction(1))
    np.savez(tmp_path / "huge.npz", W0=np.eye(2) * 1e39)
    with pytest.raises(InputError, match="range of float32"):
        certify_dataset(tmp_path / "huge.npz", files[1], Fraction(1))


def test_images_that_fit_only_transposed_weights_say_so(files, tmp_path):
    np.savez(tmp_path / "turned.npz", W0=np.zeros((2, 3)))
    np.savez(tmp_path / "three.npz", images=np.zeros((1, 3), np.uint8), labels=np.array([0]))
    with pytest.raises(InputError, match="2 inputs but the images have 3 features; all fits once W0 is transposed"):
        certify_dataset(tmp_path / "turned.npz", tmp_path / "three.npz", Fraction(1))


@pytest.mark.parametrize("name", ["lipschitz", "lipschitz-exact", "lipschitz-sound"])
def test_nothing_is_said_where_the_time_is_over(files, name):
    with pytest.raises(OutOfTimeError):
        certify_dataset(*files, Fraction("0.5"), name, timeout=1e-9)
    assert certify_dataset(*files, Fraction("0.5"), name, timeout=1000).certified == 3


def test_the_time_that_is_left_is_estimated_from_what_is_done():
    now, said = [0.0], []
    report = Estimating(lambda *told: said.append(told), [300.0, 100.0], clock=lambda: now[0])
    for seconds, stage, done in (
        (5, "one", 0),
        (25, "one", 1),
        (125, "one", 2),
        (125, "two", 0),
        (165, "two", 2),
        (200, "images", 1),
    ):
        now[0] = seconds
        report(stage, done, 2)
    assert said == [
        ("one", 0, 2),
        ("one, about 33 s left", 1, 2),  # 20 s for 150 of 400
        ("one, about 40 s left", 2, 2),
        ("two, about 40 s left", 0, 2),
        ("two", 2, 2),
        ("images", 1, 2),
    ]


mnist = pytest.mark.skipif(
    not (MNIST.exists() and IMAGES.exists()), reason=f"{MNIST.name} and {IMAGES.name} are not in {DATA} (set FPSYNTH_DATA)"
)


@mnist
def test_published_figures_of_the_8x128_network():
    pytest.importorskip("flint", reason="python-flint is not installed")
    result = certify_dataset(MNIST, IMAGES, Fraction("0.3"))
    assert abs(result.certified - 9574) <= 2
    assert result.correct == 9840
    bounds, off = np.array(result.lipschitz), ~np.eye(10, dtype=bool)
    with np.load(MNIST, allow_pickle=False) as file:
        reference = file["lipschitz"]
        weights = [file[f"W{k}"] for k in range(9)]
    assert (bounds[off] <= reference[off] * 1.001).all()
    hidden = np.prod([np.linalg.svd(w, compute_uv=False)[0] for w in weights[:-1]])
    true = hidden * np.linalg.norm(weights[-1][:, :, None] - weights[-1][:, None, :], axis=0)
    assert (bounds >= true * (1 - 1e-12)).all()


@mnist
@slow
def test_fewer_images_of_the_8x128_network_are_certified_soundly():
    pytest.importorskip("flint", reason="python-flint is not installed")
    plain = certify_dataset(MNIST, IMAGES, Fraction("0.3"), gram=5, limit=1000)
    sound = certify_dataset(MNIST, IMAGES, Fraction("0.3"), "lipschitz-sound", gram=5, limit=1000)
    assert plain.certified - 8 <= sound.certified < plain.certified


def convolutional(rng: np.random.Generator) -> Network:
    """A network of float32 for images of 2 x 6 x 6, with a softmax at its end."""

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Network(
        (
            Node("conv", Convolution(numbers(3, 2, 3, 3), numbers(3), stride=2, padding=1)),
            Node("relu", ReLU(), ("conv",)),
            Node("pool", AveragePooling((3, 3), padding=1, stride=2), ("relu",)),
            Node("flat", Flatten(), ("pool",)),
            Node("dense", Dense(numbers(4, 12), numbers(4)), ("flat",)),
            Node("likely", Softmax(), ("dense",)),
        ),
        (2, 6, 6),
        "likely",
    )


@pytest.fixture
def images(tmp_path):
    """Ten random images, channels first and last."""
    rng = np.random.default_rng(5)
    pixels, labels = rng.integers(0, 256, (10, 2, 6, 6), np.uint8), rng.integers(0, 4, 10)
    np.savez(tmp_path / "first.npz", images=pixels, labels=labels)
    np.savez(tmp_path / "last.npz", images=pixels.transpose(0, 2, 3, 1), labels=labels)
    return tmp_path / "first.npz", tmp_path / "last.npz"


def same(one: DatasetCertification, other: DatasetCertification) -> bool:
    """Whether two certifications differ in their seconds only."""
    return replace(one, seconds=0.0, seconds_lipschitz=0.0) == replace(other, seconds=0.0, seconds_lipschitz=0.0)


def test_a_convolutional_network_is_certified_whatever_file_it_is_in(tmp_path, images):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    network = convolutional(np.random.default_rng(11))
    write_npz(network, tmp_path / "net.npz")
    (tmp_path / "net.onnx").write_bytes(onnx_bytes(network, FLOAT32))
    first = certify_dataset(tmp_path / "net.npz", images[0], Fraction("0.25"))
    assert 0 < first.certified < first.total == 10
    assert same(first, certify_dataset(tmp_path / "net.onnx", images[0], Fraction("0.25")))
    assert same(first, certify_dataset(tmp_path / "net.npz", images[1], Fraction("0.25")))  # channels are put first
    assert first.lipschitz == [[float_up(b) for b in row] for row in graph_bounds(network, 11)]


@pytest.mark.parametrize("dtype", [FLOAT16, FLOAT32, FLOAT64], ids=str)
def test_logits_of_a_convolutional_network_are_those_of_exact_arithmetic_but_for_rounding(dtype):
    network = convolutional(np.random.default_rng(11)).logits
    points = np.random.default_rng(3).random((4, 72)).astype(dtype.name)
    computed = logits(network, points)
    assert computed.dtype == dtype.name
    for point, row in zip(points.tolist(), computed.tolist(), strict=True):
        exact = exact_logits(network, point)
        assert all(abs(Fraction(a) - b) <= 2000 * dtype.unit_roundoff for a, b in zip(row, exact, strict=True))


def test_a_certified_image_keeps_its_class_in_the_ball(tmp_path, images):
    network = convolutional(np.random.default_rng(11)).logits
    judge = network_certifier(network)
    rng, moved = np.random.default_rng(17), 0
    with np.load(images[0], allow_pickle=False) as file:
        points = file["images"].reshape(10, -1) / 255
    for point in points:
        exact = exact_logits(network, point.tolist())
        supremum = judge.supremum(point.tolist(), exact)
        top = max(range(4), key=exact.__getitem__)
        for _ in range(10):
            step = rng.normal(size=72)
            step *= 0.999 * float(supremum) / np.linalg.norm(step)
            there = exact_logits(network, (point + step).tolist())
            assert max(range(4), key=there.__getitem__) == top
            moved += 1
    assert moved == 100


@pytest.mark.parametrize("name", ["lipschitz-exact", "lipschitz-sound"])
def test_certifiers_of_dense_networks_name_the_layer_that_they_do_not_take(tmp_path, images, name):
    write_npz(convolutional(np.random.default_rng(11)), tmp_path / "net.npz")
    with pytest.raises(InputError, match=f"{name} takes dense ReLU networks, but conv is convolution: use lipschitz"):
        certify_dataset(tmp_path / "net.npz", images[0], Fraction("0.01"), name)


def test_the_verified_certifiers_own_text_is_read(tmp_path, files):
    (tmp_path / "net.txt").write_text("[[1.0,0.0],[0.0,1.0]]\n")
    assert same(certify_dataset(tmp_path / "net.txt", files[1], Fraction("0.5")), certify_dataset(*files, Fraction("0.5")))


CONVOLUTIONAL = DATA / "wk17a_mnist.npz"


@slow
@pytest.mark.skipif(not (CONVOLUTIONAL.exists() and IMAGES.exists()), reason=f"{CONVOLUTIONAL.name} is not in {DATA}")
def test_the_convolutional_network_of_wong_and_kolter_is_certified(tmp_path):
    with pytest.raises(InputError, match="input_shape"):  # which the published file does not say
        certify_dataset(CONVOLUTIONAL, IMAGES, Fraction("0.01"), limit=1)
    halved = {"stride": 2, "padding": 1}
    network = load_network(CONVOLUTIONAL, input_shape=(1, 28, 28), geometry={"0": halved, "2": halved})
    write_npz(network, tmp_path / "net.npz")
    result = certify_dataset(tmp_path / "net.npz", IMAGES, Fraction("0.01"), gram=6, limit=200)
    assert result.correct > 195
    assert 140 < result.certified < 200
    bounds = np.array(result.lipschitz)
    assert 500 < bounds[0, 1] < 1000
