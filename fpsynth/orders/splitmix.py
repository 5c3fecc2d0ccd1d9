"""A small generator of seeded random whole numbers that is the same on every machine and in every version."""

from __future__ import annotations

_MASK = (1 << 64) - 1


class SplitMix:
    """splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), from a seed >= 0."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def _word(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        word = self._state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
        return word ^ (word >> 31)

    def below(self, end: int) -> int:
        """A number of range(end), 1 <= end < 2**48; the probabilities differ by less than one part in 2**16."""
        return (self._word() * end) >> 64
