"""The exact re-check of witnesses: which claims of a file are true, which are not, and which were not computed."""
