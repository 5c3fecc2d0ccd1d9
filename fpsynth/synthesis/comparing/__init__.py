"""A network in several environments: which inputs change their class between which two, and why none can where none can."""
