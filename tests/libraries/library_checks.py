"""Run as a program, with a library's name and "all" or "some": both checks in one process; prints JSON."""

import json
import sys

import graphs_check
import operations_check

if __name__ == "__main__":
    print(json.dumps({"operations": operations_check.report(sys.argv[1]), "graphs": graphs_check.report(sys.argv[1])}))
