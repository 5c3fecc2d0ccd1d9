"""Every field of a witness file: changed, it is refused, or found to be false, or said not to be checked."""

import copy
import json
import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from divergences import classes, observed, triple, twin, views
from divergences import divergence as divergence_of

import fpsynth
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.detecting.detectors import detector
from fpsynth.witness import Sampled, from_json, tie_views, to_json
from fpsynth.witness.schema import witness_schema

UNCOMPUTED = {
    "objective": "objective",
    "optimum": "optimum",
    "proof": "optimum",
    "sampled": "sampled",
    "construction": "construction",
    **dict.fromkeys(("engine", "encoding", "seed", "seconds", "provenance"), "provenance"),
    **dict.fromkeys(("replays", "observations"), "libraries, logits and rows"),
    "views": "label of view",
}
"""Fields that nothing computes, and what a check says instead."""
HARMLESS = {
    # what has no meaning beside what the file says elsewhere
    "arithmetics[*].operand_rounding": "there are no operands to round",
    "arithmetics[*].bias_first": "there is no bias",
    "arithmetics[*].bias_leaf": "there is no bias",
    "predicate.other": "the predicate reads one output",
    "max_weight": "a larger bound is kept as well",
    "views[*].name": "any name will do",
    "views[*].row": "there is no environment",
}
HARMLESS_IN_A_TIE = {
    "arithmetics[*].order": "there is one product",
    "arithmetics[*].fused": "there is one product",
    "predicate.output": "the class is read off all outputs",
}


@pytest.fixture(scope="module")
def tie():
    """A tie with a proof, and with replays that NumPy really made."""
    found = fpsynth.tie("float32", solver="sampling", libraries=["numpy"], batches=[2], timeout=20.0).witnesses[0]
    return replace(found, optimum="no ratio above 20000000 exists")


def divergence():
    found = replace(
        triple(),
        sampled=Sampled(10, 10, 20, 0, 1, "uniformly"),
        optimum="nothing is larger",
        construction="a detector of mine",
        max_weight=Fraction(2**24),
        provenance=fpsynth.tie("float8_e5m2", replay=False).witnesses[0].provenance,
    )
    return replace(found, observations=(observed(found, (0.0,)),))


def leaves(data, path=()):
    """Every value in JSON data that is no container, and every empty one, with its path."""
    if isinstance(data, dict | list) and data:
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
    else:
        yield path, data


def others(value):
    """Values of the same kind."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value * 2 + 3]
    if isinstance(value, str) and re.match(r"-?0x", value):
        return ["0x1.8p+3", "-0x1.4p-2"]
    if isinstance(value, str) and re.fullmatch(r"[0-9.]+", value):
        return ["3.5"]
    if isinstance(value, str):
        return ["other", "sequential", "float64", "RTP", "lipschitz"]
    return ["x", 1, True, ["0x1p+0"]]


def changed(data, path, value):
    result = copy.deepcopy(data)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


def named(path):
    return re.sub(r"\.\[", "[", ".".join("[*]" if isinstance(key, int) else key for key in path))


def places(data):
    """Two values of each field."""
    seen = Counter()
    for path, value in leaves(data):
        seen[named(path)] += 1
        if seen[named(path)] <= 2:
            yield path, value


def unseen(data):
    """Changes of one value that a check passes without a word."""
    for path, value in places(data):
        for other in others(value):
            if other == value:
                continue
            try:
                result = check(from_json(changed(data, path, other)))
            except InputError:
                continue
            said = " ".join(entry.claim for entry in result.not_checked)
            if result.confirmed and UNCOMPUTED.get(path[0], "\0") not in said:
                yield named(path), other


def test_no_field_of_a_tie_can_be_changed_unseen(tie):
    assert check(tie).confirmed
    assert {name for name, _ in unseen(to_json(tie))} <= {*HARMLESS, *HARMLESS_IN_A_TIE}


def test_no_field_of_a_divergence_can_be_changed_unseen():
    assert check(divergence()).confirmed
    assert {name for name, _ in unseen(to_json(divergence()))} <= set(HARMLESS)


@pytest.mark.parametrize("name", ["claims", "control", "distance", "ratio", "objective"])
def test_what_belongs_to_two_points_is_not_passed_over_where_there_is_one(tie, name):
    strange = replace(divergence(), **{name: getattr(tie, name)})
    if name in ("claims", "control"):
        centred = replace(tie.claim, region=replace(tie.claim.region, centre=strange.point))
        strange = replace(strange, **{name: (centred,) if name == "claims" else centred})
    refused(strange, name, "one point")


@pytest.mark.parametrize("name", ["real", "box", "sampled", "construction"])
def test_what_belongs_to_one_point_is_not_passed_over_where_there_are_two(tie, name):
    values = {"real": (Fraction(1),) * 2, "box": ((0.0, 1.0),), "sampled": divergence().sampled, "construction": "trigger"}
    strange = replace(tie, **{name: values[name]})
    refused(strange, name, "two points")


def refused(strange, name, points):
    """Its file is not read, and without one the check finds it."""
    with pytest.raises(InputError, match=f"{name}: does not belong to a witness of {points}"):
        from_json(to_json(strange))
    assert KIND in failing(strange)


def test_a_tie_is_about_classes(tie):
    strange = replace(tie, predicate=Predicate("sign"))
    with pytest.raises(InputError, match=r"predicate\.kind: is sign, but of two points the classes are compared"):
        from_json(to_json(strange))
    assert KIND in failing(strange)


def test_a_tie_of_one_point_is_not_read():
    with pytest.raises(InputError, match="question: is a tie, which has two points"):
        from_json(to_json(replace(classes(), question="tie")))


def test_the_files_above_hold_every_field_of_the_schema(tie):
    fields = set(witness_schema()["properties"])
    assert set(to_json(tie)) == fields
    assert set(to_json(divergence())) == fields - {f"{name}{kind}" for name in ("distance", "ratio") for kind in ("", "_hex")}


# replays


def with_replay(tie, **changes):
    return replace(tie, observations=(replace(tie.observations[0], **changes), *tie.observations[1:]))


def failing(witness):
    return {finding.claim for finding in check(witness).findings if not finding.holds}


KIND = "a witness holds only what belongs to its kind"
REPLAYS = "what the file says of its replays follows from their logits"
FALSE_REPLAYS = {
    "classes that are swapped": lambda r: {
        "reference_class": r.class_index,
        "class_index": r.reference_class,
    },
    "confirmed, with one class": lambda r: {
        "class_index": r.reference_class,
        "logits": r.reference_logits,
    },
    "not confirmed, though it is": lambda r: {"departs": False},
    "a certificate that is not accepted": lambda r: {"accepted": False},
    "logits of which the class is not the largest": lambda r: {"logits": (0.0, 1.0)},
    "logits that are no float32": lambda r: {"reference_logits": tuple(v * (1 + 2.0**-40) for v in r.reference_logits)},
    "a row that the batch does not have": lambda r: {"rows": (5,)},
    "a row twice": lambda r: {"rows": (0, 0)},
    "not run, with logits": lambda r: {"not_run": "not installed"},
    "agreement that there is not": lambda r: {"environment": {**r.environment, "agrees_with_prediction": "no"}},
}


@pytest.mark.parametrize("name", FALSE_REPLAYS)
def test_a_replay_that_contradicts_itself_is_found(tie, name):
    assert failing(with_replay(tie, **FALSE_REPLAYS[name](tie.observations[0]))) == {REPLAYS}


def test_two_records_of_one_row_contradict_each_other(tie):
    assert failing(replace(tie, observations=(*tie.observations, replace(tie.observations[0], version="2.0")))) == {REPLAYS}


def test_what_a_replay_does_not_say_is_not_held_against_it(tie):
    assert failing(with_replay(tie, reference_class=None, class_index=None, accepted=None)) == set()
    assert failing(with_replay(tie, reference_logits=(), logits=(), departs=False)) == set()


@pytest.mark.parametrize("missing", [("logits",), ("reference_logits",), ("logits", "reference_logits")], ids=",".join)
def test_a_replay_without_logits_confirms_nothing(tie, missing):
    data = to_json(tie)
    assert data["observations"][0]["departs"]
    assert tie.confirmed_by
    agrees = ["a"] if missing == ("reference_logits",) else []
    kept = {name: value for name, value in data["observations"][0].items() if name not in missing}
    read = from_json({**data, "observations": [{**kept, "agrees_with": agrees}]})
    assert failing(read) == {REPLAYS}
    assert read.confirmed_by == ()


def test_a_replay_that_does_not_say_its_classes_is_held_to_its_logits(tie):
    silent = with_replay(tie, reference_class=None, class_index=None, logits=tie.observations[0].reference_logits)
    assert failing(silent) == {REPLAYS}


def test_two_observations_of_one_row_contradict_each_other():
    found = triple()
    first, second = observed(found, (0.0,)), observed(found, (1.0,))
    assert failing(replace(found, observations=(first, second))) == {"the records of runs do not contradict each other"}
    assert failing(replace(found, observations=(first, replace(second, variant="linear")))) == set()


# words


def test_a_description_in_other_words_is_false_unless_another_version_wrote_it(tie):
    data = to_json(tie)
    for view in data["views"]:
        view["label"] = "float64 exact, any order"
    claim = "the description of the arithmetic is right"
    assert failing(from_json(data)) == {claim}
    data["provenance"]["versions"]["fpsynth"] = "0.0.9"
    result = check(from_json(data))
    assert result.confirmed
    assert any("0.0.9" in entry.reason for entry in result.not_checked)


def test_a_description_that_counts_one_exceptions_is_still_right(tie):
    """As the version before wrote it that had the same number."""
    first = tie.deployment.default
    placed = replace(tie.deployment, exceptions=(((0, 0), first),))
    now = str(placed)
    assert now.endswith("with 1 exception")
    for said, right in ((now, True), (now + "s", True), (now.replace("1", "2"), False)):
        wrong = "the description of the arithmetic is right" in failing(replace(tie, views=tie_views(placed, said)))
        assert wrong != right, said


def test_numbers_that_a_file_does_not_say_are_not_held_against_it_and_not_made_up(tie):
    data = to_json(tie)
    for name in ("distance", "distance_hex", "ratio", "ratio_hex"):
        del data[name]
    read = from_json(data)
    assert check(read).confirmed
    assert to_json(read) == data
    data["distance"] = 0.0
    assert failing(from_json(data)) == {"the distance in the file is right"}


def test_a_question_of_another_kind_and_an_objective_that_is_none_are_found(tie):
    assert "the question is that of a tie" in failing(replace(tie, question="flip"))
    assert failing(replace(tie, objective="beauty")) == {"the objective is one that there is"}


def test_what_stands_as_the_negative_control_must_be_the_sound_certifiers(tie):
    (lipschitz,) = tie.claims[1:]
    claim = "what stands under sound_certifier is what lipschitz-sound says"
    assert failing(replace(tie, control=lipschitz)) == {claim}
    assert failing(replace(tie, control=None)) == set()


@pytest.mark.parametrize(
    ("statement", "refuted"),
    [
        ("optimal: no ratio above 3 exists", True),
        ("no weights in [0.1, 1] give a certified tie with a ratio of 16777216 or more of shape 1,2", True),
        ("the largest ratio is 3", True),
        ("the largest ratio is 33554432", True),
        ("the largest ratio is 16777216", False),
        ("no tie of shape 1,2 in float32 sequential with normal products has a ratio above 16777216", False),
        ("no radius above 1/3 is accepted", False),
        ("no larger ratio exists, two solvers agree", False),
        # of other measures: Frobenius norms, the least over two arithmetics
        (
            "no weights in 1:2 give a certified tie with a ratio above 3 of shape 2,2,2 in float32 sequential, "
            "where Frobenius norms bound the Lipschitz constants of hidden layers",
            False,
        ),
        ("no weights in 1:2 give a certified tie with a ratio above 3 of shape 2,2 in float32 and in float32 fused", False),
    ],
)
def test_a_proof_that_the_file_itself_refutes_is_found_and_any_other_is_not_checked(tie, statement, refuted):
    result = check(replace(tie, optimum=statement))
    assert result.confirmed is not refuted
    assert refuted or "optimum" in [entry.claim for entry in result.not_checked]


LABELS = {
    "reverse": False,
    "real": False,
    "torch": False,
    "pairwise,fused": False,
    "sequential,rounding=RTP": False,
    "sequential,accumulator=float64": False,
    "[[[0,1],2],3]": True,
    "[[[1,0],2],3]": True,
    "[[0,1],[2,3]]": False,
    "sequential,rounding=RNE": True,
    "left to right": None,
    "file.json": None,
}


@pytest.mark.parametrize("label", LABELS)
def test_a_label_that_names_an_arithmetic_is_that_of_its_view(label):
    found = triple()
    result = check(replace(found, views=(replace(found.views[0], label=label), *found.views[1:])))
    false = [finding.claim for finding in result.findings if not finding.holds]
    assert false == ([] if LABELS[label] is not False else ["a is evaluated as its label says"])
    listed = [entry.claim for entry in result.not_checked]
    assert listed == (["the label of view a"] if LABELS[label] is None else [])


def test_labels_of_whole_networks_hold_for_every_neuron():
    found = twin()
    assert failing(replace(found, views=(found.views[0], replace(found.views[1], label="sequential")))) == {
        "b is evaluated as its label says"
    }


def test_a_construction_that_is_another_is_found():
    claim = "the network is the detector that the file names: 'Order3 of Szasz, Banhelyi and Jelasity'"
    assert failing(replace(triple(), construction="Order3 of Szasz, Banhelyi and Jelasity")) == {claim}
    assert len(failing(replace(triple(), construction="bounded"))) == 1
    assert len(failing(replace(triple(), construction="trigger"))) == 1


@pytest.mark.parametrize("name", ["Order1", "Order2"])
def test_published_detectors_are_recognised(name):
    found = detector(name)
    shown = views(("real", REAL), ("reverse", Arithmetic(FLOAT32, order=parse_order("reverse"))))
    published = divergence_of(found.network, found.point, shown, Predicate("gap", bound=Fraction(1)), construction=name)
    claims = {finding.claim: finding.holds for finding in check(published).findings}
    assert claims[f"the network is the detector that the file names: {name!r}"]
    other = replace(published, construction="Order2" if name != "Order2" else "Order3")
    assert f"the network is the detector that the file names: {other.construction!r}" in failing(other)


# boxes


@pytest.fixture(scope="module")
def boxed():
    asked = {"gap": 1, "box": "0.25:0.5,-0.5:0.75", "inputs": "-1:1", "replay": False, "timeout": 20.0}
    return fpsynth.order("sequential", "pairwise", **asked).witnesses[0]


def test_a_box_that_is_too_wide_or_has_other_faces_is_found(boxed):
    inside, beyond = (
        "the views depart in the whole box, and silent ones do not",
        "they do not depart beyond the faces of the box",
    )
    assert failing(boxed) == set()
    (low, high), second = boxed.box
    assert inside in failing(replace(boxed, box=((low, high * 1.0000002), second)))
    assert inside in failing(replace(boxed, box=((low - 2.0**-20, high), second)))
    assert failing(replace(boxed, box=((low * 1.25, high * 0.75), (0.0, 0.25)))) == {beyond}
    assert failing(replace(boxed, box=())) == set()


def test_that_no_point_of_a_sample_says_otherwise_is_not_called_checked(boxed):
    said = {entry.claim: entry.reason for entry in check(boxed).not_checked}
    assert not {finding.claim for finding in check(boxed).findings} & said.keys()
    inside = said["the views depart in the whole box, and silent ones do not"]
    assert inside == "they do at 1024 of 1024 points that were tried, which proves nothing of the others"
    assert "which proves nothing of the others" in said["they do not depart beyond the faces of the box"]


def test_a_box_in_which_not_all_points_are_said_to_depart_is_not_held_to_it(boxed):
    weaker = replace(boxed.sampled, inside_fires=boxed.sampled.inside - 1)
    assert failing(replace(boxed, box=(boxed.box[0], (-0.5, 1.0)), sampled=weaker)) <= {
        "they do not depart beyond the faces of the box"
    }


def test_an_accumulator_narrower_than_the_numbers_is_pointed_out():
    result = check(fpsynth.order("sequential,accumulator=float16", "reverse", terms=4, replay=False, timeout=20.0).witnesses[0])
    assert any("weights and inputs are rounded into it" in entry.reason for entry in result.not_checked)


def test_every_finding_can_be_written_as_json(tie):
    from fpsynth.report.results import check_json

    assert json.loads(json.dumps(check_json(tie, check(tie)), allow_nan=False))["not_checked"]
