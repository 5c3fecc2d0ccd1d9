"""The command line: arguments in, one report or one JSON object out."""
