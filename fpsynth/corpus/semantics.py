"""What a verdict may be about: names of semantics, and the environments that instances are labelled for by default."""

REAL = "real"
"""Exact arithmetic: every real point of the box, nothing rounded."""
ANY = "float32:any"
"""Every evaluation in float32 or a wider format, rounded to nearest, in any order, fused or not, flushed or not.

``unsat``: in none of them is any input unsafe.  ``sat``: the witness is unsafe in all of them.
"""
ANY64 = "float64:any"
"""The same of float64: what verifiers that compute in it reason about."""
RUNTIME = "onnxruntime:batch=1"
"""What the VNN competition judges by."""
ENVIRONMENTS = (RUNTIME, "torch:batch=1", "torch:batch=64")
"""What instances are labelled for."""
