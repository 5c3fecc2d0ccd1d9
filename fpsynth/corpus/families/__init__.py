"""Families of instances: each file draws those that some verifiers get wrong, and their controls; the table lists them."""
