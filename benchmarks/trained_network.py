"""A small convolutional network, trained in seconds, with batch normalisation, both pools and a residual addition."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
"""(images, 1, height, width), between 0 and 1."""
Labels = NDArray[np.int64]
CHANNELS = 16
_BATCH, _RATE = 100, 0.02


def synthetic(count: int, side: int = 28, seed: int = 0) -> tuple[Images, Labels]:
    """Images of ten classes for where no others are at hand: noise, and one of ten bright stripes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    images = (0.5 * rng.random((count, 1, side, side))).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, label * side // 10 : label * side // 10 + 2] += np.float32(0.5)
    return images, labels


def trained(images: Images, labels: Labels, *, seed: int = 0, epochs: int = 6) -> Any:
    """A torch module in eval mode that tells ten classes apart: a convolution and a residual block between two pools.

    One thread and a fixed seed: the same machine gives the same numbers again.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(seed)
        module = _module()
        _train(module, torch.from_numpy(images), torch.from_numpy(labels), epochs)
    finally:
        torch.set_num_threads(threads)
    return module.eval()


def _module() -> Any:
    import torch
    from torch import nn

    class Residual(nn.Module):
        """Convolution, normalisation, ReLU and max pooling; two more convolutions beside nothing; averages; a dense layer."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(1, CHANNELS, 5, stride=2, padding=2), nn.BatchNorm2d(CHANNELS)
            self.pool = nn.MaxPool2d(2)
            self.conv2, self.norm2 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS)
            self.conv3, self.norm3 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS)
            self.mean, self.dense = nn.AdaptiveAvgPool2d(1), nn.Linear(CHANNELS, 10)

        def forward(self, x: Any) -> Any:
            pooled = self.pool(torch.relu(self.norm1(self.conv1(x))))
            inner = torch.relu(self.norm2(self.conv2(pooled)))
            added = self.norm3(self.conv3(inner)) + pooled
            return self.dense(self.mean(torch.relu(added)).flatten(1))

    return Residual()


def _train(module: Any, images: Any, labels: Any, epochs: int) -> None:
    import torch

    optimiser = torch.optim.Adam(module.parameters(), _RATE)
    steps = epochs * -(-len(images) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    module.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(_BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(images[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()


def export(module: Any, path: Path, shape: tuple[int, ...] = (1, 28, 28)) -> None:
    """Write the module as an ONNX model whose batch normalisations stay what they are."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(1, *shape),),
            path,
            dynamo=False,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
        )
