"""What a map made of a JAX function must do: the same for each library."""

import numpy as np
import torch

import mnemoscope as mn
from mnemoscope.maps.check import check_map

D = 6


def states(n=5, dtype=torch.float32):
    return torch.rand(n, D, generator=torch.Generator().manual_seed(0)).to(dtype)


def check_against(f, function, *, dtype=torch.float32):
    """Values, both products and the whole Jacobian are JAX's own."""
    import jax
    import jax.numpy as jnp

    z = states(dtype=dtype)
    rounding = 100 * torch.finfo(dtype).eps
    arrays = jnp.asarray(z.numpy())
    assert np.allclose(f(z), function(arrays), atol=rounding)
    check_map(f, z)
    assert f.footprint.choice.way.name == "reverse mode"
    v, u = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(1)).to(dtype)
    pushed = jax.jvp(function, (arrays,), (jnp.asarray(v.numpy()),))[1]
    (pulled,) = jax.vjp(function, arrays)[1](jnp.asarray(u.numpy()))
    assert np.allclose(f.jvp(z, v), pushed, atol=rounding)
    assert np.allclose(f.vjp(z, u), pulled, atol=rounding)
    whole = jax.vmap(jax.jacfwd(lambda one: function(one[None])[0]))(arrays)
    linear = f.linearize(z)
    assert np.allclose(linear.dense(), whole, atol=rounding)
    # In chunks too, and as PyTorch's own function transforms and recorded graph see it.
    assert np.allclose(linear.dense(chunk=4), whole, atol=rounding)
    assert torch.allclose(torch.func.jvp(f.stages[0], (z,), (v,))[1], f.jvp(z, v), atol=rounding)
    radii = np.abs(np.linalg.eigvals(np.asarray(whole, dtype=np.float64))).max(1)
    assert np.allclose(mn.spectral_radius(f, z), radii, rtol=1e-4)
