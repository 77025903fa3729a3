"""scVI: `make test-adapters NAME=scvi`."""

import logging

import numpy as np
import pytest
import torch

pytest.importorskip("scvi", reason="scvi-tools is not installed: pip install 'mnemoscope[scvi]'")

import anndata
import scvi
from scipy.sparse import csr_matrix

import mnemoscope as mn
from mnemoscope.maps.adapters.scvi import Rates
from mnemoscope.maps.check import check_map
from tests.adapters.quotients import quotients

GENES = 8
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.gamma(1, 3, (60, GENES))).astype(np.float32)
COUNTS[:, 0] += 1  # no cell is empty

pytestmark = pytest.mark.filterwarnings("ignore")


def trained(counts=COUNTS, setup=None, **options):
    data = anndata.AnnData(counts)
    data.obs["batch"] = ["first", "second"] * (len(COUNTS) // 2)
    data.obs["age"] = np.linspace(0, 1, len(COUNTS))
    scvi.settings.seed = 0
    scvi.model.SCVI.setup_anndata(data, **(setup or {}))
    model = scvi.model.SCVI(data, n_latent=3, n_hidden=16, **options)
    model.train(
        max_epochs=2, accelerator="cpu", enable_progress_bar=False, logger=False,
        enable_checkpointing=False,
    )  # fmt: skip
    return model


def rates(model, library, batch=0):
    """By the library's own means: the posterior's mean, then its generative model."""
    module, n = model.module.eval(), len(COUNTS)
    own = torch.arange(n)[:, None] % 2 if module.n_batch > 1 else torch.zeros(n, 1)
    with torch.no_grad():
        posterior = module.inference(torch.from_numpy(COUNTS), batch_index=own)["qz"]
        latent = module.z_encoder.z_transformation(posterior.loc)
        made = module.generative(
            z=latent,
            library=torch.full((n, 1), float(np.log(library))),
            batch_index=torch.full((n, 1), batch),
        )["px"]
    likelihood = module.gene_likelihood
    return made.loc if likelihood == "normal" else made.rate if likelihood == "poisson" else made.mu


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gene_likelihood": "nb", "dispersion": "gene-cell"},
        {"gene_likelihood": "poisson"},
        {"gene_likelihood": "normal", "log_variational": False},
        {"latent_distribution": "ln"},
        {"use_observed_lib_size": False},
    ],
)
def test_the_rates_of_the_latent_mean(options, caplog):
    model = trained(**options)
    with caplog.at_level(logging.INFO, logger="mnemoscope"):
        f = mn.load_map(model)
    library = float(np.median(COUNTS.sum(1)))
    assert f"fixed at {library:g}" in caplog.text
    assert f.shape == (GENES,)
    states = torch.from_numpy(COUNTS)
    assert torch.allclose(f(states), rates(model, library), rtol=1e-4, atol=1e-4)
    if options.get("gene_likelihood") != "normal":
        assert torch.allclose(f(states).sum(1), torch.tensor(library), rtol=1e-4)
    before = torch.random.get_rng_state()
    check_map(f, states)
    assert torch.equal(torch.random.get_rng_state(), before)  # nothing is drawn
    exact, z = f.to(torch.float64), states[1].double() + 0.5
    J = exact.linearize(z[None]).dense()[0]
    assert torch.allclose(J, quotients(exact, z), atol=1e-5)


def test_batches(caplog):
    model = trained(setup={"batch_key": "batch"}, encode_covariates=True)
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        f = mn.load_map(model)
    assert "of its 2 batches the first" in caplog.text
    states, library = torch.from_numpy(COUNTS), float(np.median(COUNTS.sum(1)))
    own = rates(model, library)
    # Its latent means are those of each cell's own batch, every other one's the first.
    assert torch.allclose(f(states)[::2], own[::2], rtol=1e-4, atol=1e-4)
    second = mn.SelfMap(Rates(model.module, 100.0, batch=1), (GENES,))(states)
    assert torch.allclose(second[1::2], rates(model, 100.0, 1)[1::2], rtol=1e-4, atol=1e-4)


def test_sparse_counts():
    f = mn.load_map(trained(csr_matrix(COUNTS)))
    assert f(torch.from_numpy(COUNTS)).isfinite().all()


def test_what_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="n_extra_continuous_covs"):
        mn.load_map(trained(setup={"continuous_covariate_keys": ["age"]}))
    with pytest.raises(mn.MnemoscopeError, match="embedded batches"):
        mn.load_map(trained(setup={"batch_key": "batch"}, batch_representation="embedding"))
    data = anndata.AnnData(COUNTS)
    scvi.model.LinearSCVI.setup_anndata(data)
    with pytest.raises(mn.MnemoscopeError, match="not known here"):
        mn.load_map(scvi.model.LinearSCVI(data))
    with pytest.raises(mn.MnemoscopeError, match=r"mn\.load_map"):
        mn.audit(trained(), torch.from_numpy(COUNTS))
