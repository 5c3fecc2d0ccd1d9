"""Backdoors as test cases for defenders: a host network is made to misbehave in one environment and nowhere else."""
