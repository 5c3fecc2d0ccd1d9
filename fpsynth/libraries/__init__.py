"""Libraries: what really happens when numpy, torch, TensorFlow, onnxruntime or jax run a network; each in its own process."""
