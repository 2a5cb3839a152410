"""Normal fingerprints of real models, held still across versions of Python, onnx and this library.

A value here changes only where a rule is added or changed: then config `architectures` of every release changes too.
"""

from pathlib import Path

import onnx
import pytest

from younger_hf import normal_fingerprint

GOLDEN = {
    "light_bvlc_alexnet": "afa7c11d9e48cf70e1f5ca58d40d027b",
    "light_densenet121": "c1a5abca2edcac0f92ec98a20b89c242",
    "light_inception_v2": "984810ffbb6a99f3d32a0aded9e11cc3",
    "light_resnet50": "3ec28d1c84de90554a632ff86e3ffa54",
    "light_shufflenet": "75567fc9af09309def257031d78647a4",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_normal_fingerprint_of_a_real_model_stays(name):
    folder = Path(onnx.__file__).parent / "backend/test/data/light"
    assert normal_fingerprint(folder / f"{name}.onnx") == GOLDEN[name]
