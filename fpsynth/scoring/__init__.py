"""Verifiers on a bench of labelled instances: jobs that outlive a kill, judgements, the scoreboard, and shrinking."""
