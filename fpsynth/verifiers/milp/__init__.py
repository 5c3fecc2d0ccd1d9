"""Mixed-integer programming as a verifier: networks as linear rows and binaries, decided by solvers in floating point."""
