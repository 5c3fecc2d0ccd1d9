"""Built-in attacks, small ones of each kind: which of them find an instance's bad inputs is recorded with it."""
