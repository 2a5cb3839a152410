"""MONAI's networks for medical images, each for images of two dimensions, of three, or of both.

MONAI has classes and no registry of models. A network here stands for its default configuration; of the arguments that
have no default, UNet's are those of MONAI's own examples, and others are of such sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

_SEGMENTATION: Final = "image-segmentation"
_CLASSIFICATION: Final = "image-classification"
_IMAGE: Final = "image-to-image"

_UNET: Final = {"channels": (16, 32, 64, 128, 256), "strides": (2, 2, 2, 2)}
_IN_OUT: Final = {"in_channels": 1, "out_channels": 2}
_SAME: Final = {"in_channels": 1, "out_channels": 1}


@dataclass(frozen=True)
class Network:
    """How a network of MONAI is built and called.

    Attributes:
        family: the architecture family.
        task: what it is for.
        arguments: of the constructor, besides `spatial_dims`.
        dimensions: the values of `spatial_dims` that it is listed with.
        sized: an argument that takes the size of the image, "" if there is none.
        channels: of the image.
        builder: the name of the class or function in `monai.networks.nets`, where it is not the network's own.
        side: of the image, in pixels or voxels.
        takes_dimensions: whether there is an argument `spatial_dims`.
    """

    family: str
    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    dimensions: tuple[int, ...] = (2, 3)
    sized: str = ""
    channels: int = 1
    builder: str = ""
    side: int = 64
    takes_dimensions: bool = True


def _deep(name: str) -> Network:
    return Network("densenet", _CLASSIFICATION, _IN_OUT, builder=name)


NETWORKS: Final[dict[str, Network]] = {
    "AHNet": Network("ahnet", _SEGMENTATION, side=128),
    "AttentionUnet": Network("attention_unet", _SEGMENTATION, {**_IN_OUT, **_UNET}),
    "AutoEncoder": Network("autoencoder", _IMAGE, {**_SAME, "channels": (16, 32, 64), "strides": (2, 2, 2)}),
    "AutoencoderKL": Network("autoencoder_kl", _IMAGE),
    "BasicUNet": Network("unet", _SEGMENTATION),
    "BasicUNetPlusPlus": Network("unetplusplus", _SEGMENTATION),
    "DAF3D": Network("daf3d", _SEGMENTATION, _IN_OUT, dimensions=(3,), takes_dimensions=False),
    **{f"DenseNet{depth}": _deep(f"DenseNet{depth}") for depth in (121, 169, 201, 264)},
    "DynUNet": Network(
        "dynunet",
        _SEGMENTATION,
        {**_IN_OUT, "kernel_size": (3, 3, 3, 3, 3), "strides": (1, 2, 2, 2, 2), "upsample_kernel_size": (2, 2, 2, 2)},
    ),
    **{
        f"EfficientNet-{size}": Network(
            "efficientnet",
            _CLASSIFICATION,
            {"model_name": f"efficientnet-{size}", "pretrained": False, "in_channels": 1},
            builder="EfficientNetBN",
        )
        for size in ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7")
    },
    "FlexibleUNet": Network("efficientnet", _SEGMENTATION, {**_IN_OUT, "backbone": "efficientnet-b0"}),
    "HighResNet": Network("highresnet", _SEGMENTATION),
    "HoVerNet": Network("hovernet", _SEGMENTATION, dimensions=(2,), channels=3, side=256, takes_dimensions=False),
    "MedNeXt": Network("mednext", _SEGMENTATION),
    "PatchDiscriminator": Network("patchgan", _CLASSIFICATION, {"channels": 64, "in_channels": 1}),
    "Quicknat": Network("quicknat", _SEGMENTATION, dimensions=(2,), takes_dimensions=False),
    "RegUNet": Network("unet", _IMAGE, {"in_channels": 1, "num_channel_initial": 16, "depth": 3}),
    **{
        f"resnet{depth}": Network("resnet", _CLASSIFICATION, {"n_input_channels": 1})
        for depth in (10, 18, 34, 50, 101, 152, 200)
    },
    "SegResNet": Network("segresnet", _SEGMENTATION),
    "SegResNetDS": Network("segresnet", _SEGMENTATION),
    "SegResNetVAE": Network("segresnet", _SEGMENTATION, sized="input_image_size"),
    **{
        name: Network("senet", _CLASSIFICATION, {"in_channels": 1})
        for name in ("SENet154", "SEResNet50", "SEResNet101", "SEResNet152", "SEResNext50", "SEResNext101")
    },
    "SwinUNETR": Network("swin_unetr", _SEGMENTATION, _IN_OUT),
    "UNet": Network("unet", _SEGMENTATION, {**_IN_OUT, **_UNET, "num_res_units": 2}),
    "UNETR": Network("unetr", _SEGMENTATION, _IN_OUT, sized="img_size"),
    "VarAutoEncoder": Network(
        "autoencoder",
        _IMAGE,
        {"out_channels": 1, "latent_size": 16, "channels": (16, 32, 64), "strides": (2, 2, 2)},
        sized="in_shape",
    ),
    "ViT": Network(
        "vit", _CLASSIFICATION, {"in_channels": 1, "patch_size": 16, "classification": True}, sized="img_size"
    ),
    "ViTAutoEnc": Network("vit", _IMAGE, {"in_channels": 1, "patch_size": 16}, sized="img_size"),
    "VNet": Network("vnet", _SEGMENTATION),
    "VQVAE": Network("vqvae", _IMAGE, _SAME),
}


def models() -> Iterator[ModelRef]:
    """Every network of the table for every number of dimensions that it is listed with, sorted by name.

    Raises:
        MissingExtraError: MONAI is not installed.
    """
    revision = installed("monai", extra="zoos").version
    for name, network in sorted(NETWORKS.items()):
        for dimensions in network.dimensions:
            yield ModelRef(
                source="monai",
                id=name,
                revision=revision,
                component=f"{dimensions}d",
                library="monai",
                task=network.task,
                family=network.family,
                origin="default-configuration",
            )


SOURCE = registry(models, license="apache-2.0")
