"""Questions about a network that is given: inputs on which two ways to evaluate it part, and ties of its classes."""
