"""Put on PYTHONPATH, this makes Python start as where none of the extras is installed."""

import sys
from importlib.machinery import PathFinder

EXTRAS = {
    "accelerate", "boto3", "botocore", "dask", "datasets", "diffusers", "distributed", "equinox",
    "flask", "flax", "jax", "keras", "lightning", "moto", "mpi4py", "onnx", "onnxruntime",
    "onnxscript", "pyod", "pytorch_lightning", "s3fs", "sae_lens", "scvi", "selenium",
    "transformers",
}  # fmt: skip


class WithoutExtras(PathFinder):
    """Finds what is on the path but the extras; packages' own modules of these names stay."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname in EXTRAS else super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, *arguments, **options):
        for found in super().find_distributions(*arguments, **options):
            if (found.name or "").replace("-", "_").lower() not in EXTRAS:
                yield found


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutExtras
