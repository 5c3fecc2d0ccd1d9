"""``python -m fpsynth``."""

from fpsynth.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
