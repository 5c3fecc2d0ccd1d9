"""SMT-LIB benchmarks of known status: the questions, their texts, how their status is known, and what solvers need for them."""
