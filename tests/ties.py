"""A network of one input and two outputs, the published tie among them, and an exact certifier for such networks."""

from collections.abc import Callable, Sequence
from fractions import Fraction

from fpsynth.formats import FLOAT32, Format
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Certificate, Witness


def tie(weights: tuple[float, float], xa: float, xb: float, dtype: Format = FLOAT32) -> Witness:
    """Certified at xb, counterexample at xa."""
    return Witness(
        question="tie",
        format=dtype,
        network=dense_relu((Dense(((weights[0],), (weights[1],))),)),
        certified=(xb,),
        counterexample=(xa,),
        deployment=Deployment(Arithmetic(dtype)),
        certificate=Certificate("lipschitz", True, abs(Fraction(xb) - Fraction(xa)), Fraction(1)),
    )


PUBLISHED = tie((0.9890594482421875, 0.989059507846832275390625), 0.157976210117340087890625, 0.19721232354640960693359375)
"""Murray, Breaking a Verified Certifier."""


def lipschitz(witness: Witness) -> Callable[[Sequence[float]], bool]:
    """The exact certifier of two linear outputs of one input: margin > |w1 - w0| * distance."""
    (w0,), (w1,) = witness.network.dense_layers[0].weight.tolist()
    bound = abs(Fraction(w1) - Fraction(w0)) * abs(Fraction(witness.certified[0]) - Fraction(witness.counterexample[0]))

    def judge(logits: Sequence[float]) -> bool:
        return abs(Fraction(logits[0]) - Fraction(logits[1])) > bound

    return judge
