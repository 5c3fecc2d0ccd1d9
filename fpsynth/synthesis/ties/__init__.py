"""Ties: the question, the search for answers, what is proved about them, and the whole run."""
