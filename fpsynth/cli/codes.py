"""What ends every help text: the exit codes, and the variable that names the cache."""

DONE = 0
CONTRADICTION = 1
WRONG_INPUT = 2
UNKNOWN = 3
UNCONFIRMED = 4
CHANGES = 5
CRASHED = 70
INTERRUPTED = 130

# in lines of 80 columns at most: argparse prints them as they are
TEXT = """\
exit codes:
  0    done: found, impossible, or whatever was asked for
  1    two solvers or certifiers contradict each other: one of them has a bug,
       please report it
  2    wrong usage or input, or output that cannot be written
  3    unknown: time or memory ran out, a worker process was killed, or what was
       revealed of a library does not bear a proof
  4    a result that was found could not be confirmed by replay or re-check
  5    compare: the class of an input depends on the environment
  70   a bug of fpsynth's own: please report it
  130  interrupted (Ctrl-C, SIGTERM)

variables:
  FPSYNTH_CACHE  the folder that keeps reveals for the next time (default:
                 fpsynth in $XDG_CACHE_HOME or ~/.cache); off: none are kept
  FPSYNTH_VERIFIERS  the folder of installed verifiers (default: verifiers in
                 the folder of reveals)"""
