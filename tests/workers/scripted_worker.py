"""A worker that does what it is told: the counterpart of the tests beside it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from fpsynth.workers.messages import Message
from fpsynth.workers.serving import Handler


def handle(message: Message) -> Iterator[Message] | Message:
    match message["do"]:
        case "echo":
            return {"echo": message["what"]}
        case "double":
            return {"twice": 2 * message["array"]}
        case "burst":
            return ({"number": number} for number in range(message["count"]))
        case "pid":
            return {"pid": os.getpid()}
        case "noise":
            print("library banner")  # noise of Python code
            os.system("echo noise of a child")
            os.write(1, b"noise of native code\n")
            sys.stdout.flush()
            return {"done": True}
        case "read":
            return {"read": sys.stdin.read()}
        case "child":
            return _with_child()
        case "memory":
            return {"allocated": len(bytearray(message["bytes"]))}
        case "exit":
            print("last words", file=sys.stderr, flush=True)
            os._exit(message["status"])
        case "raise":
            raise ValueError("a bug")
        case "hang":
            time.sleep(message.get("seconds", 600))
            return {"slept": True}
        case "environment":
            return {"value": os.environ.get(message["name"])}
    raise AssertionError(message)


def _with_child() -> Iterator[Message]:
    child = subprocess.Popen(["sleep", "600"])
    yield {"pid": os.getpid(), "child": child.pid}
    time.sleep(600)


def handler() -> Handler:
    return handle
