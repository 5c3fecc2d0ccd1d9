"""The collection in encodings/ is what its generator writes, and solvers say what its manifest says."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from profiles import SLOW

from fpsynth.corpus.smtlib import evidence
from fpsynth.corpus.smtlib.__main__ import main
from fpsynth.corpus.smtlib.enumeration import enumerate_problem
from fpsynth.corpus.smtlib.evidence import bits_of, model, with_model
from fpsynth.corpus.smtlib.header import benchmark_text
from fpsynth.corpus.smtlib.manifest import NAME, differences, load_manifest
from fpsynth.corpus.smtlib.measuring import SOLVERS, WORKER, CannotStart, ask, refused
from fpsynth.corpus.smtlib.question import Evidence
from fpsynth.corpus.smtlib.table import FAMILIES, benchmarks, published_problem, questions
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT8_E5M2, FLOAT16, FORMATS
from fpsynth.solvers.base import Status
from fpsynth.solvers.engines import ENGINES
from fpsynth.workers.process import Worker

ENCODINGS = Path(__file__).parents[2] / "encodings"
BENCHMARKS = benchmarks()
QUICK = [benchmark for benchmark in BENCHMARKS if benchmark.quick]
SOLVED = [benchmark for benchmark in BENCHMARKS if benchmark.question.status == "sat"]

# SMT-LIB 2.6: the core theory, FixedSizeBitVectors with the extensions of the logic QF_BV, and FloatingPoint
STANDARD = set(
    re.findall(
        r"\S+",
        """true false not and or xor => = ite distinct concat extract zero_extend sign_extend bvnot bvneg bvand bvor bvxor bvadd
        bvsub bvmul bvshl bvlshr bvult bvule bvslt bvsle bvcomp fp to_fp NaN fp.abs fp.neg fp.add fp.mul fp.fma fp.leq fp.lt
        fp.eq fp.isZero fp.isInfinite fp.isNaN fp.isNegative RNE RNA RTP RTN RTZ BitVec FloatingPoint Bool _""",
    )
)
SORTS = {"cvc5": {"8 24", "11 53"}, "bitwuzla": {"5 11", "8 24", "11 53", "15 113"}}
"""The floating-point sorts that these solvers do not refuse; z3 refuses none."""
SUMS = {"order", "precision", "relu", "interval"}
"""The families that ask of one sum in two arithmetics."""
COMMANDS = ["set-info", "set-logic", "declare-const", "define-fun", "assert", "check-sat", "exit"]


@pytest.fixture(scope="module")
def manifest():
    return load_manifest(ENCODINGS)


def read(benchmark):
    return (ENCODINGS / benchmark.file).read_text("ascii")


def test_the_generator_writes_these_very_bytes_and_the_evidence_holds():
    assert differences(ENCODINGS) == []


def test_a_worker_that_builds_another_text_says_nothing_about_its_solver():
    benchmark = QUICK[0]
    with Worker(WORKER) as worker:
        worker.send({"file": benchmark.file, "sha256": "0" * 64, "engine": "z3", "seed": 0})
        assert not worker.receive(60)["ready"]
    with Worker(WORKER) as worker, pytest.raises(CannotStart, match="ended with status"):
        ask(worker, replace(benchmark, encoding="bitblast"), "z3", 0, 1)  # no such file: the worker dies


def test_it_is_as_varied_as_promised():
    assert len(BENCHMARKS) >= 24
    assert {benchmark.question.status for benchmark in QUICK} == {"sat", "unsat"}
    assert {v.format.name for q in questions() for v in q.problem.variables} >= set(FORMATS)
    assert {q.tie.shape for q in questions() if q.tie} >= {(1, 2), (3, 2), (2, 3, 2)}
    orders = {str(q.tie.deployments[0].default.order) for q in questions() if q.tie and q.family == "sums"}
    assert orders >= {"sequential", "reverse", "pairwise", "strided:2"}
    assert {q.family for q in questions()} == set(FAMILIES)
    both = [q for q in questions() if len(q.benchmarks()) == 2]
    assert len(both) >= 6


@pytest.mark.parametrize("family", sorted(SUMS))
def test_every_family_of_sums_has_both_answers_in_both_encodings_and_quick_ones(family):
    files = [benchmark for benchmark in BENCHMARKS if benchmark.question.family == family]
    assert {benchmark.question.status for benchmark in files} == {"sat", "unsat"}
    assert {benchmark.question.status for benchmark in files if benchmark.quick} == {"sat", "unsat"}
    assert {benchmark.encoding for benchmark in files} == {"fp", "significands"}


def test_a_third_of_the_sums_is_refuted():
    files = [benchmark for benchmark in BENCHMARKS if benchmark.question.family in SUMS]
    assert len(files) >= 24
    assert 3 * sum(benchmark.question.status == "unsat" for benchmark in files) >= len(files)


def asked_of(engine, manifest):
    """The quick ones; in an ordinary run of each solver some others, which it is recorded to answer in half a second."""
    if SLOW:
        return QUICK
    some = QUICK[list(SOLVERS).index(engine) :: 5]
    times = [manifest["files"][benchmark.file]["times"] or {} for benchmark in some]
    return [benchmark for benchmark, each in zip(some, times, strict=True) if each.get(engine, {}).get("median", 0) < 0.5]


@pytest.mark.parametrize("engine", SOLVERS)
def test_solvers_agree_with_the_recorded_status_of_the_quick_ones(engine, manifest):
    if ENGINES[engine].available() is None:
        pytest.skip(f"{engine} is not installed")
    answered = 0
    with Worker(WORKER) as worker:
        for benchmark in asked_of(engine, manifest):
            assert read(benchmark) == benchmark_text(benchmark)
            message = ask(worker, benchmark, engine, 0, 60)
            if refused(message):
                assert engine != "z3"
                sorts = set(re.findall(r"FloatingPoint (\d+ \d+)", read(benchmark)))
                assert not sorts <= SORTS[engine], (benchmark.file, message)
            else:
                assert message["status"] == benchmark.question.status, (benchmark.file, message)
                answered += 1
    assert answered >= (12 if SLOW else 4)


def test_z3_finds_the_recorded_solution_in_every_file_that_has_one(manifest):
    pytest.importorskip("z3")
    for benchmark in SOLVED:
        solution = model(manifest["questions"][benchmark.question.key])
        fixed = replace(benchmark.script, text=with_model(benchmark.script, solution).replace("(exit)", ""))
        assert ENGINES["z3"].run(fixed, 0, 20, None).status is Status.SAT, benchmark.file


def test_a_solution_with_one_bit_changed_is_rejected(manifest):
    question = next(q for q in questions() if q.key == "published/float16")
    record = manifest["questions"][question.key]
    assert evidence.problems_with(question, record) == []
    spoilt = {**record, "model": {**record["model"], "w2": record["model"]["w1"]}}
    assert evidence.problems_with(question, spoilt) != []
    (benchmark, *_) = question.benchmarks()
    fixed = replace(benchmark.script, text=with_model(benchmark.script, model(spoilt)))
    assert ENGINES["z3"].run(fixed, 0, 20, None).status is Status.UNSAT


@pytest.mark.parametrize("benchmark", SOLVED, ids=lambda b: b.file)
def test_bits_of_a_solution_decode_to_it(benchmark, manifest):
    solution = model(manifest["questions"][benchmark.question.key])
    bits = {unknown.name: bits_of(unknown, solution[unknown.variable]) for unknown in benchmark.script.unknowns}
    assert benchmark.script.decode(bits) == solution


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda b: b.file)
def test_headers_and_commands_are_those_of_smtlib_benchmarks(benchmark, manifest):
    text = read(benchmark)
    assert text.startswith(f"(set-info :smt-lib-version 2.6)\n(set-logic {benchmark.script.logic})\n(set-info :source |\n")
    source, rest = re.search(r":source \|([^|\\]*)\|\)\n(.*)", text, re.DOTALL).groups()
    assert f"\nPublication: {FAMILIES[benchmark.question.family].publication}\n" in source
    assert ("Murray" in source) == (benchmark.question.family not in SUMS | {"aligned"})
    assert rest.startswith('(set-info :license "https://creativecommons.org/licenses/by/4.0/")\n(set-info :category "')
    assert (
        re.search(r':category "(crafted|industrial)"\)\n\(set-info :status (sat|unsat)\)\n', rest)[2]
        == (manifest["files"][benchmark.file]["status"])
    )
    assert text.count("(check-sat)") == 1
    assert text.endswith("(check-sat)\n(exit)\n")
    code = re.sub(r"^;.*$", "", re.sub(r"\|[^|]*\|", "", text), flags=re.MULTILINE)
    assert set(re.findall(r"^\(([a-z-]+)", code, re.MULTILINE)) <= set(COMMANDS)
    terms = re.sub(r"^\((set-info|set-logic|declare-const|check-sat|exit).*$", "", code, flags=re.MULTILINE)
    symbols = set(re.findall(r"(?<![\w#.:-])[a-zA-Z_=][\w.>=-]*", terms)) - {"define-fun", "assert"}
    own = set(re.findall(r"\((?:declare-const|define-fun) (\S+)", code))
    assert symbols - own <= STANDARD


@pytest.mark.parametrize("name", ["beyond/float8_e5m2", "domains/float32_above_one", "beyond/float8_e4m3fn"])
def test_enumerations_come_out_again(name, manifest):
    question = next(q for q in questions() if q.key == name)
    assert question.known_by is Evidence.ENUMERATION
    assert evidence.establish(question, 1) == manifest["questions"][name]


def test_enumeration_finds_what_there_is():
    found = enumerate_problem(published_problem(FLOAT8_E5M2))
    assert found.solution is not None
    with pytest.raises(InputError, match="too many"):
        enumerate_problem(published_problem(FLOAT16))


def test_a_wrong_status_finds_no_evidence():
    question = next(q for q in questions() if q.key == "beyond/float8_e5m2")
    (bound,) = question.bounds
    weaker = (replace(bound, value=bound.value / 2),)
    wrong = replace(question, bounds=weaker, state=lambda: evidence_problem(question, weaker))
    with pytest.raises(evidence.NoEvidence, match="found a solution"):
        evidence.establish(wrong, 1)


def evidence_problem(question, bounds):
    from fpsynth.synthesis.ties.question import build

    return build(question.tie, bounds)


def test_whatever_is_changed_is_noticed(tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(ENCODINGS, folder)
    first, second = BENCHMARKS[0].file, BENCHMARKS[1].file
    (folder / first).write_text((folder / first).read_text().replace(":status sat", ":status unsat"))
    (folder / second).unlink()
    (folder / "published" / "stray.smt2").write_text("(check-sat)\n")
    manifest = (folder / NAME).read_text()
    (folder / NAME).write_text(manifest.replace('"by": "theorem"', '"by": "model"', 1))
    assert main([str(folder), "--check"]) == 1
    said = capsys.readouterr().out
    assert f"{first}: differs" in said
    assert f"{second}: missing" in said
    assert "published/stray.smt2: no benchmark of the table" in said
    assert "the manifest knows its status by model, the table by theorem" in said


def test_bad_input_is_refused(tmp_path, capsys):
    (tmp_path / NAME).write_text("[]")
    assert main([str(tmp_path), "--check"]) == 2
    assert main([str(ENCODINGS), "--measure", "--seeds", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_the_readme_speaks_of_every_family():
    readme = (ENCODINGS / "README.md").read_text()
    assert all(f"`{family}/`" in readme for family in FAMILIES)
