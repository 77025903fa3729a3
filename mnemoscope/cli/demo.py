"""`mnemoscope demo`: an autoencoder memorizes real pictures and gives them back."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from mnemoscope.cli.audit_folder import audit_in
from mnemoscope.cli.computing import check_device, one_thread
from mnemoscope.cli.options import RUN_OPTIONS, Place, RunOptions
from mnemoscope.cli.printing import finish_line, print_audit, print_json, print_lines
from mnemoscope.cli.run_folder import claimed
from mnemoscope.cli.training_folder import fit_in
from mnemoscope.training import TrainingOptions


@dataclass(frozen=True)
class Recipe:
    """What a demo trains.

    Attributes:
        data: Arguments of `load_data`.
        spec: The network's spec without its shape.
        training: The options of its training without the seed.
        starts: Starts of each distribution in the audit.
        trials: Corrupted copies of each example, for each corruption and strength.
    """

    data: dict[str, Any]
    spec: dict[str, Any]
    training: TrainingOptions
    starts: int
    trials: int


RECIPES = {
    "photos": Recipe(
        data={"source": "photos", "n": 24, "offset": 0, "size": 32, "gray": False},
        spec={"kind": "fully_connected", "width": 96, "depth": 8, "activation": "leaky_relu"},
        training=TrainingOptions(
            lr=8e-4, schedule="cosine", batch_size=6, max_steps=6000, finish="least_squares"
        ),
        starts=400,
        trials=10,
    ),
    "digits": Recipe(
        data={"source": "digits", "n": 20, "offset": 0, "size": None, "gray": False},
        spec={"kind": "fully_connected", "width": 256, "depth": 8, "activation": "leaky_relu"},
        training=TrainingOptions(
            lr=1e-3, schedule="cosine", batch_size=5, max_steps=5000, finish="least_squares"
        ),
        starts=400,
        trials=10,
    ),
}


def demo(
    *,
    data: Literal["photos", "digits"] = "photos",
    out: Place = None,
    run: RunOptions = RUN_OPTIONS,
) -> int:
    """Watch an autoencoder memorize real pictures, give them back, and explain itself.

    Trains, audits and writes a page, in half a minute.

    Args:
        data: What to memorize.
        out: Folder to write to; default: runs/demo or runs/demo-digits.
        run: How it is carried out.
    """
    check_device(run.device)
    from mnemoscope.data import load_data
    from mnemoscope.measure import AuditOptions
    from mnemoscope.nets import load, spec_from_json

    recipe = RECIPES[data]
    X = load_data(**recipe.data)
    spec = spec_from_json({**recipe.spec, "shape": tuple(X.shape[1:])})
    options = replace(recipe.training, seed=run.seed)
    settings = {
        "data": recipe.data,
        "spec": spec.model_dump(mode="json"),
        "training": asdict(options),
    }
    place = out or ("runs/demo" if data == "photos" else f"runs/demo-{data}")
    with one_thread(), claimed(place, settings, force=run.force) as folder:
        if not run.json:
            print_lines(
                f"{len(X)} pictures of {' × '.join(map(str, X.shape[1:]))} numbers, "
                f"a fully connected autoencoder of {recipe.spec['depth']} layers."
            )
        fit = fit_in(folder, spec, X, options, device=run.device)
        if not run.json:
            trained = f"Trained to a loss of {fit.loss:.1e} in {fit.steps:,} steps."
            print_lines(trained, *finish_line(fit), "")
        network = load(folder.network, device=run.device)
        tried = AuditOptions(starts=recipe.starts, trials=recipe.trials)
        result = audit_in(folder, network, X, tried, source=recipe.data, seed=run.seed)
    if run.json:
        summary = result.summary.model_dump(mode="json")
        print_json({**summary, "report": str(folder.report), "audit": str(folder.audit)})
    else:
        print_audit(result)
        print_lines("", f"Open {folder.report} in a browser.")
    return 0
