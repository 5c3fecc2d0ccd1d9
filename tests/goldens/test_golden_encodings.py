"""The benchmarks in encodings/ are, byte for byte, those of today, and so is what their generator writes."""

from goldens import encoding_goldens as goldens
from goldens.comparing import read, require_golden, require_same
from profiles import slow


def test_encodings_hold_the_bytes_that_they_held():
    require_golden(goldens.GOLDEN, goldens.hashes(goldens.ENCODINGS))


@slow
def test_the_generator_writes_the_same_bytes_into_an_empty_folder(tmp_path):
    goldens.regenerate(tmp_path)
    golden = read(goldens.GOLDEN)
    written = {name: golden[name] for name in golden if name != "README.md"}
    require_same(written, goldens.hashes(tmp_path), "what python -m fpsynth.corpus.smtlib writes")
