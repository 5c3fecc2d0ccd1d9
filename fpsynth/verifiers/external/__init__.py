"""Real verifiers: installed, run within limits, and held against exact arithmetic and ONNX Runtime."""

from fpsynth.verifiers.external.base import Said, Tool, ToolAnswer, run
from fpsynth.verifiers.external.callables import ask_function
from fpsynth.verifiers.external.checkouts import from_checkout
from fpsynth.verifiers.external.competition import CompetitionTool
from fpsynth.verifiers.external.installing import install, installed
from fpsynth.verifiers.external.judging import Worth, judge
from fpsynth.verifiers.external.standard import StandardTool
from fpsynth.verifiers.external.template import TemplateTool
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.verifiers.external.verifying import NAMES, Verified, tool_named, verify

__all__ = [
    "NAMES",
    "TOOLS",
    "CompetitionTool",
    "Said",
    "StandardTool",
    "TemplateTool",
    "Tool",
    "ToolAnswer",
    "Verified",
    "Worth",
    "ask_function",
    "from_checkout",
    "install",
    "installed",
    "judge",
    "run",
    "tool_named",
    "verify",
]
