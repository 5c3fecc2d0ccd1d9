"""The port of the verified certifier gives the matrix that the certifier itself printed for a real network, to the last bit."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fpsynth.networks.network import Dense
from fpsynth.networks.template import template
from fpsynth.verifiers.lipschitz_exact import margin_bounds

DATA = Path(os.environ.get("FPSYNTH_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = DATA / "gloro_mnist_8x128.npz"


@pytest.mark.skipif("FPSYNTH_SLOW" not in os.environ, reason="takes two minutes (set FPSYNTH_SLOW=1)")
@pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is not in {DATA} (set FPSYNTH_DATA)")
def test_the_8x128_network_at_20_gram_iterations():
    with np.load(FILE, allow_pickle=False) as file:
        printed = file["lipschitz"]
        weights = [np.rint(file[f"W{k}"].T * 10**5).astype(int).tolist() for k in range(9)]  # decimals with 5 places
    layers = tuple(Dense(tuple(tuple(Fraction(w, 10**5) for w in row) for row in weight)) for weight in weights)
    assert [[float(bound) for bound in row] for row in margin_bounds(template(layers), 20)] == printed.tolist()
