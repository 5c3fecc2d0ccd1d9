"""``python -m fpsynth``, and the command ``fpsynth``: the command line, where an interrupt ends it cleanly from the start."""

try:
    import os
    import sys

    # ``python -m`` looks for modules in the current folder first, where any json.py would take the place of Python's own.  The
    # modules of fpsynth itself, which may lie there, are found by the path of the package.
    _first = (sys.path[0] or ".") if sys.path and not sys.flags.safe_path else ""
    if __name__ == "__main__" and os.path.isdir(_first) and os.path.samefile(_first, "."):
        del sys.path[0]
    import _thread
    import functools
    import signal
except KeyboardInterrupt:  # nothing is there yet to say it with
    raise SystemExit(130) from None

_INTERRUPTED = 130
_WRONG_INPUT = 2


def run() -> int:
    """Run the command line of the process and return its exit code.

    An interrupt ends the process at once while modules are imported: as an exception it would be lost, or printed, where it
    comes in the middle of an import.  Once there is something to clean up it is a KeyboardInterrupt, which ``main`` handles;
    one that Python could not raise (in a destructor, say) is raised again.  On the way out it comes too late.
    """
    mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else the caller wants it ignored, as nohup does
    try:
        signal.signal(signal.SIGTERM, _end)  # until ``main`` has its own handler, which ends like Ctrl-C
        if mine:
            signal.signal(signal.SIGINT, _end)
        try:
            from fpsynth.cli.streams import open_closed

            open_closed()
            from fpsynth.cli.main import main
            from fpsynth.workers.process import kill_all
        except Exception as error:
            return _not_started(error)

        sys.unraisablehook = functools.partial(_again, signal.SIGINT if mine else signal.SIGTERM)
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            code = main()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if mine:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            kill_all()
        if code == _INTERRUPTED:
            # an interrupt that crossed an exec() has Python, run with -m, end by the signal whatever exit code it is given
            os._exit(code)
        return code
    except KeyboardInterrupt:  # outside of what ``main`` watches over, or the second one
        if mine:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _say()
        return _INTERRUPTED


def _not_started(error: Exception) -> int:
    """Say that a file in the current folder takes the place of a module, where it is that; else raise the error."""
    from fpsynth.cli.shadows import blame

    if not (reason := blame(error)):
        raise error
    os.write(2, f"fpsynth: error: {reason}\n".encode(errors="backslashreplace"))
    return _WRONG_INPUT


def _end(*_: object) -> None:
    """End the process: nothing has been started or written yet."""
    _say()
    os._exit(_INTERRUPTED)


def _say() -> None:
    try:
        os.write(2, b"interrupted\n")
    except OSError:
        return


def _again(number: "signal.Signals", what: "sys.UnraisableHookArgs") -> None:
    """Raise an interrupt again, as signal ``number``, that came where nothing can be raised; say everything else as usual."""
    if isinstance(what.exc_value, KeyboardInterrupt):
        import threading

        if number == signal.SIGTERM:  # which is ignored since it came
            from fpsynth.cli.main import terminate

            signal.signal(number, terminate)
        threading.Timer(0.02, _interrupt, (number,)).start()  # not here: this function's caller ignores it as well
    else:
        sys.__unraisablehook__(what)


def _interrupt(number: "signal.Signals") -> None:
    """Send the main thread a signal: a true one, where there are such, also ends what the thread waits for."""
    import threading

    main_thread = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main_thread is not None:
        signal.pthread_kill(main_thread, number)
    else:
        _thread.interrupt_main(number)


if __name__ == "__main__":
    sys.exit(run())
