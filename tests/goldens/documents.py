"""The fpsynth commands that the documents show."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_in(text: str) -> list[str]:
    """The fpsynth commands of the shell blocks, continued lines joined, comments and everything before the command dropped."""
    blocks = re.findall(r"^```(?:sh|text|bash)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"&&|;", line.split("  #")[0])]
    matches = [re.match(r"(?:\$ )?(?:\S*python3? -m )?fpsynth ([a-z]+ .*)", part) for part in parts]
    return [match[1] for match in matches if match and "·" not in match[1]]


COMMANDS = [(document, command) for document in DOCUMENTS for command in commands_in(document.read_text("utf-8"))]
"""Documents, and the commands in them."""
