"""Libraries of the machine of the goldens compute what they computed, and today's reveal files are read as today."""

import pytest
from goldens import reveal_goldens as goldens
from goldens.comparing import require_golden
from profiles import slow


def test_every_reveal_and_every_reading_has_a_golden():
    assert {path.stem for path in (goldens.REVEALS / "revealed").glob("*.json")} == set(goldens.ALL)
    assert {path.stem for path in (goldens.REVEALS / "reading").glob("*.json")} == set(goldens.READING)
    assert {path.stem for path in goldens.FILES.glob("*.json")} == set(goldens.KEPT)
    assert {f"reveal {arguments}" for arguments in goldens.ALL.values()} >= set(goldens.documented())


@pytest.mark.parametrize("name", [*goldens.QUICK, *(pytest.param(name, marks=slow) for name in goldens.SLOW)])
def test_a_library_computes_what_it_computed(name):
    if why := goldens.elsewhere(name):
        pytest.skip(why)
    require_golden(goldens.golden_of(name), goldens.revealed(name))


@pytest.mark.parametrize("name", goldens.READING)
def test_reveal_files_are_read_as_they_were(name):
    require_golden(goldens.reading_golden(name), goldens.reading(name))
