#!/bin/sh
# train() and eval() of a Keras 3 model on the PyTorch backend do not affect its dropout.
#
# On this backend a Keras model is a torch.nn.Module: it has parameters(), state_dict(), train() and
# eval(), and its attribute `training` follows the last two. One would expect dropout to follow it
# too, as in every other module. It does not: after train() a call drops nothing, and after eval() a
# call with training=True still drops half of the entries. Only the argument of the call counts.
#
# Versions: keras 3.15.1, torch 2.13.0, CPU. The observed output is at the end of this file.
# Needs Python 3.11 or newer and about 1 GB in a temporary folder. Fails if the behaviour changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  keras==3.15.1 torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'END' | tee "$folder/seen"
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((1000,)), keras.layers.Dropout(0.5)])
ones = torch.ones(1, 1000)


def dropped(**options):
    return bool((model(ones, **options) == 0).any())


print("keras", keras.__version__)
print("a torch.nn.Module:", isinstance(model, torch.nn.Module))
for mode in ("train", "eval"):
    getattr(model, mode)()
    print(f"after {mode}(): training={model.training}, a call drops: {dropped()}, "
          f"a call with training=True drops: {dropped(training=True)}")
END
diff "$folder/seen" - <<'END'
keras 3.15.1
a torch.nn.Module: True
after train(): training=True, a call drops: False, a call with training=True drops: True
after eval(): training=False, a call drops: False, a call with training=True drops: True
END
echo "As stated."
