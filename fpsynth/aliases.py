"""Names of types that every room uses: JSON data, files, progress, arrays of numbers.

Arrays are named by text, so that nothing has to import numpy for their sake.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Json: TypeAlias = dict[str, Any]
"""An object of JSON: what ``json.loads`` makes of one."""
PathLike: TypeAlias = str | os.PathLike[str]
"""The path of a file."""
Progress: TypeAlias = Callable[[str], None]
"""Is told what is being done, in a line without its end."""
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
"""An array of any numbers."""
Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
"""An array of float64."""
