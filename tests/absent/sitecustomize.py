"""Put on PYTHONPATH, this makes Python start as where none of the extras is installed."""

import importlib.metadata
import sys

EXTRAS = {
    "accelerate", "boto3", "botocore", "dask", "datasets", "diffusers", "distributed", "flask",
    "lightning", "moto", "mpi4py", "onnx", "onnxruntime", "onnxscript", "pytorch_lightning", "s3fs",
    "selenium", "transformers",
}  # fmt: skip


class Absent:
    """A finder that finds none of them, whatever the other finders would."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def find_distributions(self, context=None):
        return iter(())


version = importlib.metadata.version


def version_of_present(name):
    if name.replace("-", "_").lower() in EXTRAS:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)


sys.meta_path.insert(0, Absent())
importlib.metadata.version = version_of_present
