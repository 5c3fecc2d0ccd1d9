"""Instances in other forms: C programs for software verifiers, a telling of the computation, scripts that need no fpsynth."""
