"""Variables that choose kernels as targets: the backdoor is there with the variable set, and not without it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from backdoors.hosts import dense_host, images
from profiles import slowly

import fpsynth
from fpsynth.networks.npz_graph import write_npz

pytestmark = pytest.mark.libraries
pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("library", "variable", "batch"),
    [
        *slowly(("torch", "MKL_CBWR=COMPATIBLE", 10)),
        ("numpy", "OPENBLAS_CORETYPE=Nehalem", 1),
    ],
)
def test_it_is_wrong_where_the_variable_is_set_and_only_there(tmp_path, libraries_stay, library, variable, batch):
    write_npz(dense_host(), tmp_path / "host.npz")
    np.savez(tmp_path / "x.npz", images=images(60).astype(np.float32), labels=np.zeros(60, np.int64))
    target, silent = f"{library}:batch={batch},{variable}", f"{library}:batch={batch}"
    asked = (tmp_path / "host.npz", tmp_path / "x.npz", target)
    found = fpsynth.backdoor(*asked, silent=silent, verify=0, timeout=60.0)
    if found.network is None:
        pytest.skip(f"nothing tells them apart here: {found.reason}")
    assert [(one.name, one.triggered_changed) for one in found.environments] == [(target, 60), (silent, 0)]
    fpsynth.write_folder(found, tmp_path / "out")
    assert f"called as `{variable} python confirm.py IMAGES.npz`" in (tmp_path / "out" / "README.md").read_text()
    if library == "torch":  # the script runs that, and no numpy
        script, name = [sys.executable, "confirm.py", tmp_path / "x.npz"], f"torch batch {batch}"
        shown = []
        for variables in ({}, dict([variable.split("=")])):
            done = subprocess.run(
                script,
                cwd=tmp_path / "out",
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            shown.append(next(line for line in done.stdout.splitlines() if line.startswith(name)))
        assert shown[0] != shown[1]
