"""check finds whatever is not true of an instance, although all digests are right; replay runs the libraries of the machine."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from command_line import fpsynth_here, refused

from fpsynth.corpus.checking import check_corpus, faults_of
from fpsynth.corpus.instances.data import RUNTIME, Attacked, Corpus
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.making import WantedCorpus, make
from fpsynth.corpus.replaying import AS_LABELLED, OTHERWISE, replay_corpus

CATEGORIES = ("rare", "order", "folding", "broken")


@pytest.fixture(scope="module")
def made():
    return make(WantedCorpus(14, 2, CATEGORIES), workers=1)


def written(corpus, folder):
    write_corpus(corpus, folder)
    return folder


def changed(made, name, **fields):
    """An instance with its controls, or a control with what it controls, of which one is changed; the digests are right."""
    family = name.partition("_control")[0]
    few = (one for one in made.instances if family in (one.name, one.control_of))
    return replace(made, instances=tuple(replace(one, **fields) if one.name == name else one for one in few))


def relabelled(one, semantics, **fields):
    return tuple(replace(label, **fields) if label.semantics == semantics else label for label in one.labels)


def test_what_was_made_is_true(made, tmp_path):
    found = check_corpus(written(made, tmp_path / "corpus"))
    assert found.holds, faults_of(found.checked)
    assert len(found.checked) == 14
    assert not any(one.left_out for one in found.checked)
    cancelling = {one.name for one in found.checked if one.cancelling}
    assert {name.partition("_")[0] for name in cancelling} >= {"order"}
    assert not {one.name for one in made.instances if one.control_of} & cancelling


def faults(corpus, tmp_path):
    found = check_corpus(written(corpus, tmp_path / "corpus"))
    assert not found.holds
    return faults_of(found.checked)


def test_a_verdict_that_is_not_true_is_found(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "order_0000_control1")
    witness = tuple(float(low) for low in one.box.lower)
    false = changed(made, one.name, labels=relabelled(one, "torch:batch=1", verdict="sat", witness=witness))
    found = faults(false, tmp_path)
    assert any("torch:batch=1: sat" in fault and "unsat" in fault for fault in found)
    assert any("the witness is not unsafe by the exact interpreter" in fault for fault in found)


def test_witnesses_of_networks_too_large_for_the_interpreter_are_evaluated_as_arrays(made, tmp_path, monkeypatch):
    monkeypatch.setattr("fpsynth.corpus.checking.LEAST", 0.0)
    (control,) = (one for one in made.instances if one.name == "order_0000_control1")
    few = replace(made, instances=tuple(one for one in made.instances if one.family == "order"))
    found = check_corpus(written(few, tmp_path / "few"))
    assert found.holds, faults_of(found.checked)
    assert any("evaluated as arrays" in text for one in found.checked for text in one.left_out)
    witness = tuple(float(low) for low in control.box.lower)
    false = changed(made, control.name, labels=relabelled(control, "torch:batch=1", verdict="sat", witness=witness))
    assert any("the witness is not unsafe by arrays" in fault for fault in faults(false, tmp_path))


def test_an_unsat_that_is_sat_is_found(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "needle_0000")
    false = changed(made, one.name, labels=relabelled(one, RUNTIME, verdict="unsat", witness=()))
    assert any(f"{RUNTIME}: unsat (counted" in fault for fault in faults(false, tmp_path))


def test_a_count_that_is_wrong_is_found(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "needle_0000")
    more = tuple(replace(density, bad=density.bad + 1) for density in one.densities)
    assert any("2 of" in fault and "1 of" in fault for fault in faults(changed(made, one.name, densities=more), tmp_path))


def test_a_margin_that_is_wrong_is_found_by_the_proof_and_by_onnxruntime(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "order_0000")
    label = one.label(RUNTIME)
    false = changed(made, one.name, labels=relabelled(one, RUNTIME, margin=label.margin + Fraction(1, 1024)))
    found = faults(false, tmp_path)
    assert any("ONNX Runtime" in fault for fault in found)
    assert any(RUNTIME in fault and "is recorded" in fault for fault in found)


def test_a_bound_over_the_reals_that_is_wrong_is_found(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "order_0000")
    assert any("least margin" in fault for fault in faults(changed(made, one.name, least=one.least + 1), tmp_path))


def test_a_network_of_another_order_is_not_proved_by_the_recorded_one(made, tmp_path):
    """The order of ONNX Runtime replaced by torch's: the verdict does not follow from it."""
    (one,) = (one for one in made.instances if one.name == "order_0000")
    torch = one.label("torch:batch=64")
    false = changed(made, one.name, labels=relabelled(one, RUNTIME, computed=torch.computed, order=torch.order))
    assert any(f"{RUNTIME}: sat" in fault and "unsat" in fault for fault in faults(false, tmp_path))


def test_an_unsat_whose_order_is_not_onnx_runtimes_is_found(made, tmp_path):
    """Every label is proved in the order that it records, and none has a witness that could be run."""
    (one,) = (one for one in made.instances if one.name == "order_0000")
    labels = tuple(label for label in one.labels if label.semantics != RUNTIME)
    forged = replace(one.label("torch:batch=1"), semantics=RUNTIME)
    plain = tuple(replace(label, margin=None) for label in (*labels, forged))
    densities = tuple(
        replace(density, bad=0, method=forged.proof) if density.semantics == RUNTIME else density for density in one.densities
    )
    false = changed(made, one.name, labels=plain, densities=densities, attacks=())
    (fault,) = faults(false, tmp_path)
    assert f"{one.name}: ONNX Runtime" in fault
    assert "the recorded order" in fault


def test_an_order_that_is_none_is_a_fault_of_its_instance(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "needle_0000")
    found = faults(changed(made, one.name, labels=relabelled(one, "torch:batch=1", computed={})), tmp_path)
    assert all(fault.startswith("needle_0000: ") for fault in found)
    assert any("needs nodes" in fault for fault in found)


def test_a_count_of_which_no_order_is_recorded_is_found(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "needle_0000")
    more = (*one.densities, replace(one.densities[0], semantics="numpy:batch=1"))
    assert any("no order in which" in fault for fault in faults(changed(made, one.name, densities=more), tmp_path))


def test_an_attack_that_comes_to_something_else_is_found(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "needle_0000")
    lucky = tuple(replace(attacked, found=True) for attacked in one.attacks)
    (fault,) = faults(changed(made, one.name, attacks=lucky), tmp_path)
    assert fault == "needle_0000: attacks come to something else than what is recorded"


def test_records_of_attacks_are_kept(made, tmp_path):
    from fpsynth.corpus.instances.reading import read_corpus

    (one,) = (one for one in made.instances if one.name == "broken_0000")
    assert isinstance(one.attacks[0], Attacked)
    assert read_corpus(written(made, tmp_path / "corpus")).named(one.name).attacks == one.attacks


def test_replay_runs_every_witness_in_every_environment(made, tmp_path):
    found = replay_corpus(written(made, tmp_path / "corpus"))
    assert found.holds
    with_witness = [one for one in made.instances if one.witness]
    assert found.count(AS_LABELLED) == len(found.runs) == 3 * len(with_witness) > 0


def test_replay_tells_where_a_library_does_otherwise(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "order_0000")
    false = changed(made, one.name, labels=relabelled(one, "torch:batch=1", margin=Fraction(-1)))
    found = replay_corpus(written(false, tmp_path / "corpus"), ["torch:batch=1"])
    assert [(run.instance, run.outcome) for run in found.runs if run.outcome != AS_LABELLED] == [(one.name, OTHERWISE)]
    assert not found.holds


def test_exit_codes_of_check_and_replay(made, tmp_path):
    (one,) = (one for one in made.instances if one.name == "order_0000")
    small = Corpus((one,), made.seed, made.environments, made.version)
    good = written(small, tmp_path / "good")
    bad = written(changed(small, one.name, least=Fraction(7)), tmp_path / "bad")
    assert fpsynth_here("corpus", "check", good).returncode == 0
    assert fpsynth_here("corpus", "replay", good, "--environments", RUNTIME).returncode == 0
    done = fpsynth_here("corpus", "check", bad, "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["faults"] == ["order_0000: the least margin over the reals is another"]
    assert "choose from" in refused(fpsynth_here("corpus", "replay", good, "--environments", "numpy:batch=1"))
    assert "did you mean c" in refused(fpsynth_here("corpus", "export", good, "--out", tmp_path / "x", "--form", "cc"))
