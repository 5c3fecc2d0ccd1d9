"""A worker that does what it is told: the counterpart of test_processes.py."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from fpsynth.processes import Message, serve


def handle(message: Message) -> Iterator[Message]:
    match message["do"]:
        case "echo":
            yield {"echo": message["what"]}
        case "burst":
            yield from ({"number": number} for number in range(message["count"]))
        case "pid":
            yield {"pid": os.getpid()}
        case "noise":
            print("library banner")  # noise of Python code
            os.system("echo noise of a child")
            os.write(1, b"noise of native code\n")
            sys.stdout.flush()
            yield {"done": True}
        case "child":
            child = subprocess.Popen(["sleep", "600"])
            yield {"pid": os.getpid(), "child": child.pid}
            time.sleep(600)
        case "memory":
            block = bytearray(message["bytes"])
            yield {"allocated": len(block)}
        case "exit":
            print("last words", file=sys.stderr, flush=True)
            os._exit(message["status"])
        case "hang":
            time.sleep(600)
        case "environment":
            yield {"value": os.environ.get(message["name"])}


if __name__ == "__main__":
    serve(handle)
