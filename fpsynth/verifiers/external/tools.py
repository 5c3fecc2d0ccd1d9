"""The verifiers that can be installed: from which packages, pinned, and how each is asked.  To add one, write its entry."""

from __future__ import annotations

from dataclasses import dataclass

_TORCH = ("torch==2.13.0",)
_NUMPY, _ONNX = "numpy==2.4.6", "onnx==1.21.0"
_RUNTIME, _GUROBI = "onnxruntime==1.26.0", "gurobipy==13.0.3"


@dataclass(frozen=True)
class Package:
    """A tool as package indexes have it, to be installed in a virtual environment of its own."""

    name: str
    """Of the tool, and of its distribution."""
    version: str
    needs: tuple[str, ...]
    """What verifying needs, pinned.  What the package itself says that it needs is not installed: two of them say nothing, and
    others ask for gigabytes that only training uses."""
    reads: tuple[str, ...] = ("ONNX", "VNN-LIB 1.0")
    """Formats, boxes of inputs always."""
    about: str = ""
    """How it verifies, in a few words."""
    how: str = "driver"
    """How it is asked: by the script drivers/NAME.py, or by the command line of VNN-LIB 2.0 (``standard``)."""
    entry: str = ""
    """Of tools with a command line of their own: MODULE:FUNCTION, as their distribution names it."""

    @property
    def requirement(self) -> str:
        """The tool itself, as pip takes it."""
        return f"{self.name}=={self.version}"


TOOLS: dict[str, Package] = {
    package.name: package
    for package in (
        Package(
            "maraboupy",
            "2.0.0",
            # numpy 2 breaks it
            ("numpy==1.26.4", "onnx==1.16.2", "onnxruntime==1.20.1"),
            about="Marabou: simplex and case splits, in double precision with tolerances",
        ),
        Package(
            "neuralsat",
            "0.2.17",
            (
                *(*_TORCH, _NUMPY, _ONNX, _RUNTIME, _GUROBI, "scipy==1.17.1", "beartype==0.23.1", "sortedcontainers==2.4.0"),
                *("tqdm==4.70.1", "psutil==7.2.2", "packaging==26.4"),
            ),
            about="NeuralSAT: DPLL(T) over CROWN bounds, after attacks",
        ),
        Package(
            "vibecheck-nn",
            "1.1.0",
            (*_TORCH, _NUMPY, _ONNX, _RUNTIME, _GUROBI, "scipy==1.17.1"),
            reads=("ONNX", "VNN-LIB 1.0", "VNN-LIB 2.0"),
            about="vibecheck: CROWN, branch and bound and MILP, after attacks",
            how="standard",
            entry="vibecheck.pipeline:main",
        ),
        Package(
            "pynever",
            "1.3.2",
            (*_TORCH, _NUMPY, _ONNX, "ortools==9.15.6755", "multipledispatch==1.0.0"),
            about="NeVer 2: star sets with linear programs",
        ),
        Package(
            "abstractnn",
            "0.1.5",
            (_NUMPY, _ONNX, _RUNTIME, "pillow==13.0.0"),
            reads=("ONNX",),
            about="affine arithmetic",
        ),
        Package(
            "bound-propagation",
            "0.4.7",
            (*_TORCH, _NUMPY, _ONNX),
            reads=("ONNX",),
            about="CROWN in torch, in single precision",
        ),
        Package(
            "vnnlib-test-solver",
            "2.0.1",
            ("vnnlib==1.0.2",),
            reads=("VNN-LIB 2.0",),
            about="verifies nothing: answers what its configuration says",
            how="standard",
            entry="vnnlib_test_solver.cli:main",
        ),
    )
}
"""Every tool by its name."""
