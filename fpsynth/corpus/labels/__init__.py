"""Ground truth: what is true of a network in a box over the reals and in each environment, and how that is proved."""
