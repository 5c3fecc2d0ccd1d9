"""What all tests of backdoors share."""

from collections.abc import Iterator

import pytest
from profiles import SLOW

from fpsynth.corpus import backdoor_folder


@pytest.fixture(scope="package", autouse=True)
def without_keras() -> Iterator[None]:
    """Folders are written without the file of Keras, for which TensorFlow is imported, but in the slow run."""
    with pytest.MonkeyPatch.context() as patch:
        if not SLOW:
            makers = {name: make for name, make in backdoor_folder._MAKERS.items() if name != backdoor_folder.KERAS}
            patch.setattr(backdoor_folder, "_MAKERS", makers)
        yield
