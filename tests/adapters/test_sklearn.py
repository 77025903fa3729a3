"""scikit-learn's regressors: `make test-adapters NAME=sklearn`, and in every run of the tests."""

import logging
import warnings

import numpy as np
import pytest
import torch
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

import mnemoscope as mn
from mnemoscope.maps.adapters import open_model
from mnemoscope.maps.check import check_map
from mnemoscope.maps.untrained import untrained
from tests.adapters.quotients import quotients

RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (24, 6)) * np.array([1, 10, 100, 1, 1, 0.1])
Z = RNG.normal(5, 4, (8, 6)) * np.array([1, 10, 100, 1, 1, 0.1])


def perceptron(**options):
    return MLPRegressor(hidden_layer_sizes=(12, 7), max_iter=60, random_state=0, **options)


def fitted(model, data=X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(data, data)


WRITTEN = {
    "relu": lambda: perceptron(),
    "tanh": lambda: perceptron(activation="tanh"),
    "logistic": lambda: perceptron(activation="logistic"),
    "identity": lambda: perceptron(activation="identity"),
    "standardized": lambda: make_pipeline(StandardScaler(), perceptron()),
    "centred": lambda: make_pipeline(StandardScaler(with_std=False), perceptron()),
    "scaled": lambda: make_pipeline(StandardScaler(with_mean=False), perceptron()),
    "clipped": lambda: make_pipeline(MinMaxScaler((-1, 2), clip=True), perceptron()),
    "robust": lambda: make_pipeline(RobustScaler(), "passthrough", perceptron()),
    "largest": lambda: make_pipeline(MaxAbsScaler(), FunctionTransformer(), perceptron()),
    "pipeline in a pipeline": lambda: make_pipeline(
        make_pipeline(StandardScaler(), MinMaxScaler()), make_pipeline(RobustScaler(), perceptron())
    ),
    "target": lambda: TransformedTargetRegressor(perceptron(), transformer=MinMaxScaler()),
    "both": lambda: TransformedTargetRegressor(
        make_pipeline(StandardScaler(), perceptron(activation="tanh")),
        transformer=make_pipeline(StandardScaler(), MinMaxScaler((-1, 1))),
    ),
    "target as it is": lambda: TransformedTargetRegressor(perceptron()),
    "search": lambda: GridSearchCV(perceptron(), {"alpha": [1e-4, 1e-2]}, cv=2),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_predict_gives_and_its_derivatives(name):
    model = fitted(WRITTEN[name]())
    f = mn.load_map(model)
    assert (f.shape, f.dtype, f.differentiable) == ((6,), torch.float64, True)
    # Both sum the same few products in float64.
    assert np.allclose(f(torch.from_numpy(Z)), model.predict(Z), rtol=1e-9, atol=1e-9)
    check_map(f, torch.from_numpy(X))
    J = f.linearize(torch.from_numpy(Z[:1])).dense()[0]
    expected = quotients(lambda z: model.predict(z.numpy()), Z[0])
    # Quotients over eps^(1/3) have about eps^(2/3) of the largest value (400) in rounding.
    assert torch.allclose(J, expected, atol=1e-5)


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("logistic", 2)])
def test_fresh_weights_for_the_untrained_control(activation, factor):
    f = mn.load_map(fitted(make_pipeline(StandardScaler(), perceptron(activation=activation))))
    layers = [p for p in untrained(f, seed=1).modules[0].parameters() if p.ndim == 2]
    # The first weights of the library itself, which a fit of no length leaves as they are.
    first = perceptron(activation=activation).set_params(learning_rate_init=1e-300, max_iter=1)
    own = fitted(first).coefs_
    for weight, expected in zip(layers, own, strict=True):
        assert weight.shape == expected.shape
        bound = np.sqrt(factor / sum(weight.shape))
        # Of some 40 or more uniform numbers one comes near the bound.
        assert 0.8 * bound < weight.abs().max() <= bound
        assert 0.8 * bound < np.abs(expected).max() <= bound * (1 + 1e-6)


def test_fitted_in_single_precision():
    model = fitted(make_pipeline(StandardScaler(), perceptron()), X.astype(np.float32))
    f = mn.load_map(model)
    assert f.dtype == torch.float32
    states = Z.astype(np.float32)
    assert np.allclose(f(torch.from_numpy(states)), model.predict(states), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: make_pipeline(PolynomialFeatures(), perceptron()), "PolynomialFeatures"),
        (lambda: make_pipeline(FunctionTransformer(np.tanh), perceptron()), "FunctionTransformer"),
        (lambda: Ridge(), "Ridge"),
        (
            lambda: TransformedTargetRegressor(perceptron(), func=np.arcsinh, inverse_func=np.sinh),
            "FunctionTransformer",
        ),
    ],
)
def test_parts_without_derivatives_are_only_evaluated(make, part, caplog):
    model = fitted(make(), X / 100)
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        f = mn.load_map(model)
    assert not f.differentiable
    assert f"{part} has no derivatives" in caplog.text
    states = (Z / 100).astype(np.float32)
    assert np.allclose(f(torch.from_numpy(states)), model.predict(states), rtol=1e-5, atol=1e-5)


def test_fitted_to_a_table_with_names():
    pandas = pytest.importorskip("pandas")
    names = list("abcdef")
    table = pandas.DataFrame(X, columns=names)
    scaled = ColumnTransformer([("scaled", StandardScaler(), names[:3])], remainder="passthrough")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        written = make_pipeline(StandardScaler(), perceptron()).fit(table, table)
        assert mn.load_map(written).differentiable
        by_name = make_pipeline(scaled, perceptron()).fit(table, table)
        f = mn.load_map(by_name)
        assert not f.differentiable
        expected = by_name.predict(pandas.DataFrame(Z, columns=names))
    assert np.allclose(f(torch.from_numpy(Z)), expected, rtol=1e-5, atol=1e-4)


class Doubled(MLPRegressor):
    def predict(self, X):
        return 2 * super().predict(X)


def test_a_class_that_predicts_something_else_is_not_written_out():
    model = fitted(Doubled(hidden_layer_sizes=(5,), max_iter=20, random_state=0), X / 100)
    f = mn.load_map(model)
    assert not f.differentiable
    assert np.allclose(f(torch.from_numpy(Z / 100)), model.predict(Z / 100), rtol=1e-5, atol=1e-5)


def test_a_written_module_that_disagrees_is_not_used(caplog):
    model = fitted(perceptron())
    right = model.predict(Z)
    model.predict = lambda states: 2 * MLPRegressor.predict(model, states)
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        f = mn.load_map(model)
    assert not f.differentiable
    assert "differs from its predict" in caplog.text
    assert np.allclose(f(torch.from_numpy(Z)), 2 * right, rtol=1e-5, atol=1e-3)


def test_one_feature():
    model = fitted(perceptron(), X[:, :1])
    f = mn.load_map(model)
    assert f.shape == (1,)
    assert np.allclose(f(torch.from_numpy(Z[:, :1]))[:, 0], model.predict(Z[:, :1]))


def test_a_memorizing_regressor_is_audited():
    data = RNG.uniform(0, 1, (4, 6))
    model = TransformedTargetRegressor(
        make_pipeline(
            StandardScaler(),
            MLPRegressor(
                hidden_layer_sizes=(100, 100), activation="tanh", solver="lbfgs", alpha=0,
                max_iter=2000, max_fun=10**5, tol=1e-12, random_state=0,
            ),
        ),
        transformer=StandardScaler(),
    )  # fmt: skip
    model.fit(data, data)
    audit = mn.audit(
        mn.load_map(model),
        torch.from_numpy(data),
        mn.AuditOptions.of(certificates=0),
        starts=20,
        trials=1,
    )
    assert audit.examples["loss"].max() < 1e-8
    radii = [
        torch.linalg.eigvals(quotients(lambda z: model.predict(z.numpy()), x)).abs().max()
        for x in data
    ]
    assert np.allclose(audit.examples["spectral_radius"], torch.stack(radii), rtol=1e-4)


def test_through_a_factory_and_by_the_adapters_name(tmp_path, monkeypatch):
    (tmp_path / "a_regressor.py").write_text(
        "from tests.adapters.test_sklearn import fitted, perceptron\n"
        "def make(alpha=1e-4): return fitted(perceptron(alpha=alpha))\n"
        "model = make()\n"
    )
    monkeypatch.chdir(tmp_path)
    for target in ("a_regressor:make", "a_regressor:model"):
        for adapter in (None, "sklearn"):
            opened = open_model(target, mn.LoadOptions(adapter=adapter))
            assert opened.shape == (6,)
            assert opened.self_map().differentiable
    with pytest.raises(mn.MnemoscopeError, match="--weights with a_regressor:make"):
        open_model("a_regressor:make", mn.LoadOptions(weights="w.pt"))
    assert open_model("a_regressor:make", mn.LoadOptions(factory_args={"alpha": 1.0})).shape == (6,)
    with pytest.raises(mn.MnemoscopeError, match="which does not use it"):
        open_model("a_regressor:model", mn.LoadOptions(factory_args={"alpha": 1.0}))
    with pytest.raises(mn.MnemoscopeError, match="what the adapter PyOD recognizes"):
        open_model("tests.adapters.test_sklearn:perceptron", mn.LoadOptions(adapter="pyod"))


@pytest.mark.parametrize(
    ("model", "says"),
    [(perceptron(), "not fitted"), (PCA(2).fit(X), "no predict"), ("no model", "does not exist")],
)
def test_what_no_map_can_be_made_of(model, says):
    with pytest.raises(mn.MnemoscopeError, match=says):
        mn.load_map(model)


def test_audits_point_to_the_adapter():
    model = fitted(perceptron())
    with pytest.raises(mn.MnemoscopeError, match=r"MLPRegressor.*mn\.load_map\(model\)"):
        mn.audit(model, torch.from_numpy(X))
    with pytest.raises(mn.MnemoscopeError, match="adapter 'pyod' for a MLPRegressor"):
        mn.load_map(model, mn.LoadOptions(adapter="pyod"))
