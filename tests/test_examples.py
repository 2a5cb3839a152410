"""What examples/ has beside programs: files for clusters that are not at hand say what their readers understand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[1] / "examples" / "cluster"


def read(name: str) -> dict[str, Any]:
    content = yaml.safe_load((CLUSTER / name).read_text())
    assert isinstance(content, dict)
    return content


def test_rays_launcher_takes_its_file() -> None:
    config = prepare_config(read("launcher.yaml"))
    validate_config(config)
    assert config["max_workers"] == len(config["provider"]["worker_ips"]) == 2


def test_rays_launcher_takes_the_file_with_one_machine() -> None:
    config = read("launcher.yaml")
    config["provider"]["worker_ips"] = []
    config["min_workers"] = config["max_workers"] = 0
    validate_config(prepare_config(config))


def test_rays_launcher_would_refuse_another_file() -> None:
    with pytest.raises(jsonschema.ValidationError, match="machines"):
        validate_config(prepare_config({**read("launcher.yaml"), "machines": 3}))


def test_a_worker_of_kubernetes_gives_out_what_it_may_take() -> None:
    spec = read("kuberay.yaml")["spec"]
    pods = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    containers = [container for pod in pods for container in pod["template"]["spec"]["containers"]]
    assert len(containers) == 2
    for container in containers:
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["image"].endswith(f":{spec['rayVersion']}")
