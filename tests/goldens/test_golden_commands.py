"""Commands print the JSON that they printed, and end with the same exit code; none of the documents is forgotten."""

import pytest
from goldens import command_goldens as goldens
from goldens.comparing import require_golden


def test_every_command_of_the_documents_has_a_golden_or_a_reason_why_not():
    assert set(goldens.LEFT_OUT) <= set(goldens.DOCUMENTED), "left out, but not in the documents any more"
    assert set(goldens.FIRST) <= set(goldens.ALL)
    assert len({goldens.golden_of(command) for command in goldens.ALL}) == len(goldens.ALL)
    assert {path.name for path in goldens.FOLDER.glob("*.json")} == {goldens.golden_of(command).name for command in goldens.ALL}


@pytest.mark.parametrize("command", goldens.ALL)
def test_a_command_says_what_it_said(command, tmp_path):
    require_golden(goldens.golden_of(command), goldens.answered(command, tmp_path))
