"""Solvers: one file per engine behind one protocol (base.py), and the race between them (race.py)."""
