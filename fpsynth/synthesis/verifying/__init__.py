"""verify: what a verifier says of a network and a property."""
