"""Files of the user have one name wherever they are taken: older names are taken, and what is near a wrong one is right."""

import inspect

import numpy as np
import pytest
from command_line import fpsynth_here, refused

import fpsynth
from fpsynth.cli.arguments import build_parser
from fpsynth.cli.main import main
from fpsynth.errors import InputError
from fpsynth.networks.network import dense_relu
from fpsynth.networks.npz_graph import write_npz

GIVEN = {
    "compare": (["net.npz"], ["--images", "--inputs", "--points"]),
    "order": (["--network", "net.npz"], ["--images", "--points"]),
    "tie": (["--network", "net.npz"], ["--images", "--points"]),
    "verify": (["--network", "net.npz"], ["--images", "--points"]),
    "certify": (["--network", "net.npz", "--eps", "1"], ["--images", "--points"]),
}
"""A command: what else it needs, and the names of the file with inputs."""
BESIDE = {"verify": {"image": 0, "eps": 1}, "certify": {"eps": 1}}
"""What else the function needs."""


@pytest.mark.parametrize("command", GIVEN)
def test_inputs_of_a_network_are_named_alike_everywhere_and_by_their_older_names(command):
    rest, names = GIVEN[command]
    for name in names:
        assert build_parser().parse_args([command, *rest, name, "x.npz"]).images == "x.npz"


@pytest.mark.parametrize("command", GIVEN)
def test_python_calls_them_images_too_and_takes_the_older_names(command, tmp_path):
    function, (_, names) = getattr(fpsynth, command), GIVEN[command]
    assert "images" in inspect.signature(function).parameters
    assert "points" not in inspect.signature(function).parameters
    np.savez(tmp_path / "n.npz", W0=np.ones((2, 2), np.float32))
    asked = {"network": tmp_path / "n.npz", **BESIDE.get(command, {})}
    for name in names:
        with pytest.raises(InputError, match=r"cannot read .*nowhere\.npz"):
            function(**asked, **{name.removeprefix("--"): tmp_path / "nowhere.npz"})
    with pytest.raises(InputError, match="points is the older name of images: say one of them"):
        function(**asked, points="x.npz", images="y.npz")


@pytest.mark.parametrize("command", ["order", "tie"])
def test_python_names_the_keyword_that_is_missing(command):
    with pytest.raises(InputError, match=r"^a network that is given needs images"):
        getattr(fpsynth, command)(network="n.npz")
    with pytest.raises(InputError, match=r"^images are of a network that is given"):
        getattr(fpsynth, command)(images="x.npz")


@pytest.mark.parametrize("command", ["precision", "relu", "interval"])
def test_functions_that_take_no_such_file_know_none_of_its_names(command):
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'points'"):
        getattr(fpsynth, command)(points="x.npz")


@pytest.mark.parametrize("command", GIVEN)
def test_help_tells_of_one_name_and_of_what_the_file_holds(command, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "--points" not in told
    assert "an .npz file with" in told
    if command in ("order", "tie"):
        assert "a file of inputs is --images" in told
    else:
        assert "--inputs" not in told


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("compare n.npz --input x.npz", "unrecognized arguments: --input (did you mean --images X.npz?)"),
        ("compare n.npz --data=x.npz", "--data=x.npz (did you mean --images X.npz?)"),
        ("compare --network n.npz --images x.npz", "--network (MODEL is given without a name)"),
        ("order --input x.npz", "--input (did you mean --images X.npz or --inputs LO:HI?)"),
        ("tie --point x.npz", "--point (did you mean --images X.npz or --inputs LO:HI?)"),
        ("tie --model n.npz", "--model (did you mean --network MODEL?)"),
        ("verify --network n.npz --inputs x.npz", "--inputs (did you mean --images X.npz or --image K?)"),
        ("relu --images x.npz", "--images (did you mean --inputs LO:HI?)"),
        ("reveal torch --inputs x.npz", "unrecognized arguments: --inputs (see"),
        ("compare n.npz", "the following arguments are required: --images"),
        ("order --network n.npz", "--network needs --images: inputs of that network, of two classes at least"),
        ("tie --points x.npz", "--images is what a network is given: name the network with --network"),
        ("tie --network n.npz --inputs x.npz", "--inputs is a range LO:HI of networks that are made up: a file of inputs is"),
    ],
)
def test_what_is_near_a_wrong_name_is_what_is_meant(line, words, capsys):
    try:
        code = main(line.split())
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("certify", ["--eps", "0.1", "--certifier", "crown"]),
        ("certify", ["--eps", "0.1", "--certifier", "lipschitz"]),
        ("compare", ["--library", "numpy"]),
        ("backdoor", ["--target", "numpy:batch=1", "--silent", "numpy:batch=10"]),
        ("defend", ["--library", "numpy"]),
    ],
)
def test_labels_that_no_class_has_are_refused(command, options, tmp_path):
    """Counted from 1 all of them were wrong, and nothing said why."""
    write_npz(dense_relu([(np.eye(2), None), (np.eye(2), None)]), tmp_path / "n.npz")
    np.savez(tmp_path / "x.npz", images=np.ones((20, 2), np.float32), labels=np.array([1, 2] * 10))
    network = [] if command in ("compare", "defend") else ["--network"]
    done = fpsynth_here(command, *network, tmp_path / "n.npz", "--images", tmp_path / "x.npz", *options)
    assert "the labels name class 2, but the network has 2 outputs, counted from 0" in refused(done)
