"""Shrinking: the smallest instance on which a verifier is still wrong, the simplest numbers of a witness."""
