"""Two orders of one sum, every addition encoded as it is, given to z3's default solver: one run, one line of JSON.

Usage: naive_order.py EXPONENT_BITS PRECISION SEED LIMIT_IN_SECONDS MEMORY_IN_BYTES, and on standard input the JSON object
{"terms": n, "a": steps, "b": steps}: node k < n is the number v_k, node n + s is the sum of the two nodes in step s, and the
last node is the result.  Asked for are v_k in [-1, 1] such that one result is above zero and the other is not.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main(exponent_bits: int, precision: int, seed: int, limit: float, memory: int, trees: dict[str, Any]) -> dict[str, object]:
    """Return {status, seconds: encoding and solving, encoding_seconds, import_seconds, version, model: bits of v_k or null}."""
    _limit_memory(memory)
    start = time.monotonic()
    import z3

    imported = time.monotonic()
    for module in ("smt", "sat"):
        z3.set_param(f"{module}.random_seed", seed)
    sort, mode = z3.FPSort(exponent_bits, precision), z3.RNE()
    low, high, zero = (z3.FPVal(bound, sort) for bound in (-1.0, 1.0, 0.0))
    terms = [z3.FP(f"v{k}", sort) for k in range(trees["terms"])]
    solver = z3.Solver()
    solver.set("timeout", int(limit * 1000))
    for term in terms:
        solver.add(z3.fpLEQ(low, term), z3.fpLEQ(term, high))
    signs = []
    for name in ("a", "b"):
        nodes = list(terms)
        for first, second in trees[name]:
            nodes.append(z3.fpAdd(mode, nodes[first], nodes[second]))
        signs.append(z3.fpGT(nodes[-1], zero))
    solver.add(z3.Xor(*signs))
    encoded = time.monotonic()
    status, reason = _answer(z3, solver)
    ended = time.monotonic()
    model = None
    if status == "sat":
        solution = solver.model()
        model = [z3.simplify(z3.fpToIEEEBV(solution.eval(term, True))).as_long() for term in terms]
    return {
        "status": status,
        "reason": reason,
        "seconds": ended - imported,
        "encoding_seconds": encoded - imported,
        "import_seconds": imported - start,
        "version": z3.get_version_string(),
        "model": model,
    }


def _answer(z3: Any, solver: Any) -> tuple[str, str]:
    """The status, and why it is unknown; running out of memory is an answer, too."""
    try:
        status = str(solver.check())
    except z3.Z3Exception as error:
        return "unknown", str(error)
    return status, solver.reason_unknown() if status == "unknown" else ""


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: no limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    bits, digits, first_seed, bytes_ = (int(sys.argv[k]) for k in (1, 2, 3, 5))
    print(json.dumps(main(bits, digits, first_seed, float(sys.argv[4]), bytes_, json.load(sys.stdin))))
