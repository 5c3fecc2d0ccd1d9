"""Which runs of libraries confirm a divergence, and which do not."""

from dataclasses import replace

from divergences import classes, observed, precision, triple


def placed(found, environment, row=0):
    """The divergence with an environment for its deployed view."""
    return replace(found, views=(found.reference, replace(found.deployed, environment=environment, row=row), *found.silent))


def logits_of(view):
    return tuple(map(float, view.logits))


def test_any_library_that_departs_confirms_an_arithmetic():
    found = triple()
    departing, agreeing = (
        observed(found, logits_of(view), library=name) for view, name in ((found.deployed, "jax"), (found.reference, "torch"))
    )
    assert departing.departs
    assert not agreeing.departs
    assert replace(found, observations=(agreeing, departing)).confirmed_by == ("jax",)
    assert replace(found, observations=(agreeing,)).confirmed_by == ()


def test_only_the_named_environment_confirms_where_the_view_is_one():
    found = placed(classes(), "torch:linear:batch=4")
    elsewhere = observed(found, logits_of(found.deployed), library="numpy")
    there = observed(found, logits_of(found.deployed), library="torch", variant="linear", batch=4, view="b")
    assert replace(found, observations=(elsewhere,)).confirmed_by == ()
    assert replace(found, observations=(elsewhere, there)).confirmed_by == ("torch",)


def test_the_row_that_the_view_is_about_must_show_it():
    found = placed(classes(), "torch:linear:batch=4,row=2", row=2)
    run = {"library": "torch", "variant": "linear", "batch": 4, "view": "b"}
    others = observed(found, logits_of(found.deployed), rows=(0, 1, 3), **run)
    its_own = observed(found, logits_of(found.reference), rows=(2,), **run)
    assert not replace(found, observations=(others, its_own)).reproduced(found.deployed)
    assert replace(found, observations=(others, its_own)).confirmed_by == ()
    its_own = observed(found, logits_of(found.deployed), rows=(2,), **run)
    assert replace(found, observations=(its_own,)).confirmed_by == ("torch",)


def test_a_run_in_the_references_format_does_not_confirm_the_other():
    found = precision()  # float32 against float64
    departing = observed(found, logits_of(found.deployed))
    assert departing.departs
    for dtype, confirmed in (("float64", ("numpy",)), ("float32", ())):
        record = replace(departing, environment={"dtype": dtype})
        assert replace(found, observations=(record,)).confirmed_by == confirmed
