"""MONAI's networks by name, built as `builders.crawl.monai` says and called with one image."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks import nets

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module
from builders.crawl.monai import NETWORKS, Network


def export(request: Request) -> Export:
    """Export the network of this name for images of as many dimensions as the component says.

    Raises:
        ConversionError: the table has no such network, or it cannot be exported.
    """
    name, component = request.model.id, request.model.component
    network = NETWORKS.get(name)
    if network is None or component not in {f"{dimensions}d" for dimensions in network.dimensions}:
        raise ConversionError(Outcome.NOT_FOUND, f"there is no network {name} of MONAI for {component or 'nothing'}")
    size = int(component[0]) * (network.side,)
    image = torch.rand(1, network.channels, *size)
    return export_module(lambda: _build(name, network, size), lambda _: (image,), request.opset)


def _build(name: str, network: Network, size: tuple[int, ...]) -> torch.nn.Module:
    arguments: dict[str, Any] = dict(network.arguments)
    if network.takes_dimensions:
        arguments["spatial_dims"] = len(size)
    if network.sized:
        of_channels = network.sized == "in_shape"
        arguments[network.sized] = (network.channels, *size) if of_channels else size
    module: torch.nn.Module = getattr(nets, network.builder or name)(**arguments)
    return module
