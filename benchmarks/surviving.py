"""Which pairs of environments a chain tells apart, and what changes of all weights it withstands there: a table.

python -m benchmarks.surviving [--network NAME] [--batch SIZES] [--threads NUMBERS] [--channels N,...] [--seed S]
                               [--data FOLDER] [--out FOLDER]

prints the table and writes surviving.json and surviving.txt.  Each environment is run at every place of w and -w that a search
tries, and a chain is chosen for each ordered pair, and for each target beside all others, and run as a whole.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from benchmarks.backdoors import classes_of, environments, members, progress, whole
from benchmarks.common import RESULTS, aligned, conditions, keep, machine
from benchmarks.given_networks import DATA, NETWORKS, images
from fpsynth.aliases import Floats
from fpsynth.backdoors.chains import ChainSearch
from fpsynth.backdoors.probing import WantedFiring
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.workshop import MakerSettings, Workshop
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment
from fpsynth.revealing.revealer import Revealer


class RememberedSums:
    """What environments gave for rows, kept: searches for different targets run the same ones."""

    def __init__(self, shop: Workshop, form: WidenedForm) -> None:
        """Of one form."""
        self.shop, self.form = shop, form
        self.known: dict[tuple[str, bytes], Floats] = {}

    def __call__(self, rows: Floats, where: Environment) -> Floats:
        """(rows of a batch, rows of the layer)."""
        key = str(where), rows.tobytes()
        if key not in self.known:
            some = self.shop.images[np.arange(where.batch) % len(self.shop.images)]
            answer = self.shop.revealer.outputs(self.form.up_to(rows), FLOAT32, where, some)["outputs"]
            self.known[key] = np.asarray(answer)
        return self.known[key]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surviving", description=__doc__.partition("\n")[0])
    parser.add_argument("--network", default="wk17a_mnist")
    parser.add_argument("--batch", default="1,10")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--channels", default="33,132", help="how many further channels feed a chain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    said = parser.parse_args()
    host, (points, labels) = NETWORKS[said.network](said.data), images(said.data, 64)
    about = conditions(("numpy", "torch", "tensorflow", "onnxruntime", "jax"))
    lines, rows = [], []
    with Revealer() as revealer:
        shop = Workshop(host, points, labels, FLOAT32, revealer, MakerSettings(seed=said.seed), progress)
        classes = classes_of(shop, environments(said.batch, said.threads))
        for channels in map(int, said.channels.split(",")):
            table = measured(shop, [where for one in classes if (where := whole(one))], channels, said.seed)
            rows += table
            lines += ["", f"{channels} further channels, {channels * shop.site.spread} constants:", *aligned(text_of(table))]
    found = [f"  {number}. {', '.join(members(one))}" for number, one in enumerate(classes, 1)]
    text = "\n".join([f"{len(classes)} classes of environments:", *found, *lines, "", machine(about)]) + "\n"
    print(text)
    keep(said.out, "surviving", {"conditions": about, "network": said.network, "rows": rows}, text)


def measured(shop: Workshop, places: list[Environment], channels: int, seed: int) -> list[dict[str, object]]:
    """For each target what chains withstand beside each other environment alone, and beside all of them."""
    generator = np.random.default_rng([seed, channels])
    stands = np.sort(generator.choice(shop.site.channels + channels, channels, replace=False)).tolist()
    form = WidenedForm(shop.site, tuple(stands), shop.site.dense(0).outputs + 1, shop.trigger)
    features = np.sort(form.features(form.places).reshape(-1))
    sums, rows = RememberedSums(shop, form), []
    for target in places:
        others = [one for one in places if one != target]
        for silent in [*([one] for one in others), others]:
            progress(f"{channels} channels: {target}, silent in {', '.join(map(str, silent))}")
            wanted = WantedFiring(target, tuple(silent))
            search = ChainSearch(form.inputs, form.rows, features, wanted, sums, FLOAT32, np.random.default_rng(seed))
            best = max(search.chains(), key=lambda one: one.withstands, default=None)
            told = {} if best is None else {"terms": best.sizes.terms, "fires": best.fires, "silent": best.silent}
            names = list(map(str, silent))
            rows.append({"channels": channels, "target": str(target), "beside": names, "withstands": search.most, **told})
    return rows


def text_of(rows: list[dict[str, object]]) -> list[list[str]]:
    """A row for each target, a column for each environment beside it, and one for all."""
    targets = list(dict.fromkeys(str(row["target"]) for row in rows))
    by = {(str(row["target"]), tuple(map(str, row["beside"]))): row for row in rows}  # type: ignore[call-overload]
    table = [["target \\ silent", *targets, "all others"]]
    for target in targets:
        others = tuple(one for one in targets if one != target)
        cells = [(one,) for one in targets] if len(others) > 1 else [others]
        table.append([target, *(_cell(by.get((target, one))) for one in itertools.chain(cells, [others]))])
    return table


def _cell(row: dict[str, object] | None) -> str:
    if row is None:
        return ""
    return f"{row['withstands']:.2g}" if row["withstands"] else "-"


if __name__ == "__main__":
    main()
