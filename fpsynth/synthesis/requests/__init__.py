"""What can be asked: a frozen dataclass per question, from which arguments, keywords, records and words are made.

Nothing heavy is imported here at the top of a file: the command line reads these classes before it prints a help text.
"""
