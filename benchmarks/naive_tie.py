"""The published constraints given as they are to z3's default solver: one run in a process of its own, one line of JSON.

0.1 < w1 < w2 < 1, 0.1 < xa < xb < 1, w1*xa = w2*xa and w2*xb > w1*xb in floating point (Murray, "Breaking a Verified
Certifier").  Usage: naive_tie.py EXPONENT_BITS PRECISION SEED LIMIT_IN_SECONDS
"""

from __future__ import annotations

import json
import sys
import time


def main(exponent_bits: int, precision: int, seed: int, limit: float) -> dict[str, object]:
    """Return {status, seconds: encoding and solving, import_seconds, version, model: {name: bits} or null}."""
    start = time.monotonic()
    import z3

    imported = time.monotonic()
    for module in ("smt", "sat"):
        z3.set_param(f"{module}.random_seed", seed)
    sort, mode = z3.FPSort(exponent_bits, precision), z3.RNE()
    low, high = z3.FPVal(0.1, sort), z3.FPVal(1.0, sort)
    w1, w2, xa, xb = unknowns = z3.FPs("w1 w2 xa xb", sort)
    solver = z3.Solver()
    solver.set("timeout", int(limit * 1000))
    for small, large in ((low, w1), (w1, w2), (w2, high), (low, xa), (xa, xb), (xb, high)):
        solver.add(z3.fpLT(small, large))
    solver.add(z3.fpEQ(z3.fpMul(mode, w1, xa), z3.fpMul(mode, w2, xa)))
    solver.add(z3.fpGT(z3.fpMul(mode, w2, xb), z3.fpMul(mode, w1, xb)))
    status = solver.check()
    ended = time.monotonic()
    model = None
    if status == z3.sat:
        solution = solver.model()
        model = {x.decl().name(): z3.simplify(z3.fpToIEEEBV(solution.eval(x, True))).as_long() for x in unknowns}
    return {
        "status": str(status),
        "seconds": ended - imported,
        "import_seconds": imported - start,
        "version": z3.get_version_string(),
        "model": model,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
