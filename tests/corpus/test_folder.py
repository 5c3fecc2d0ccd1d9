"""Folders of witness files: what counts as one, what is left alone, and manifests that are held to their word."""

import json
import os

import pytest
from ties import tie  # noqa: F401  (replaced below where there is no such helper)

from fpsynth.corpus import folder as folders
