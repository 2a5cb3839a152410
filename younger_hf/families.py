"""Families of architectures, in one spelling for all sources: a model and its copies elsewhere are of one family.

In goes what a source calls a family, or the name that a registry gives a model; out comes the family as releases have
it, such as `mobilenetv2` for torchvision's `mobilenetv2` and for Keras's `mobilenet_v2`. What one family is follows the
papers: ResNeXt and Wide ResNet are ResNets, all Inceptions are one, and MobileNetV2 and V3 are two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SPELLINGS: Final = {
    "alexnet": "bvlcalexnet",
    "ayavision": "",
    "beit": "beitv2",
    "cohere2vision": "",
    "convnext": "convnextv2",
    "densenet": "densenetblur ibndensenet xdensenet",
    "dpn": "",
    "efficientformer": "efficientformerv2",
    "efficientnet": "efficientnetv2 efficientnetlite efficientnetedgetpu efficientnetedge condefficientnet",
    "fbnet": "fbnetc fbnetv3",
    "ghostnet": "ghostnetv2 ghostnetv3",
    "hgnet": "hgnetv2",
    "hrnet": "hrnetv2",
    "inception": "googlenet inceptionv1 inceptionv2 inceptionv3 inceptionv4 inceptionandgooglenet bninception",
    "inceptionnext": "",
    "inceptionresnet": "inceptionresnetv1 inceptionresnetv2",
    "lcnet": "lcnetv2",
    "mixnet": "",
    "mnasnet": "semnasnet",
    "mobilenet": "mobilenetv1 mobilenetb fdmobilenet",
    "mobilenetv2": "",
    "mobilenetv3": "",
    "mobilenetv4": "",
    "mobilevit": "mobilevitv2",
    "mvit": "mvitv2",
    "nasnet": "nasnetalarge",
    "pvt": "pvtv2",
    "qwen2audio": "",
    "regnet": "regnetx regnety",
    "resnest": "",
    "resnet": "resnetv2 resnetd resnetrs resnext wideresnet preresnet seresnet seresnetd seresnext ecaresnet "
    "ecaresnext gcresnet gcresnext skresnet skresnext sknet senet rtdetrresnet rtdetrv2resnet wrn wrn1bit resneta "
    "sepreresnet bamresnet cbamresnet ibnresnet ibnbresnet ibnresnext diaresnet diapreresnet sharesnet octresnet "
    "resdropresnet shakedropresnet shakeshakeresnet isqrtcovresnet fastseresnet fbresnet cafferesnet",
    "roberta": "xlmroberta camembert",
    "shufflenet": "shufflenetv2 shufflenetv2b",
    "squeezenet": "",
    "swin": "swintransformer swintransformerv2 swintransformerv2cr swinv2 swinv2cr maskformerswin donutswin",
    "t5": "mt5 umt5",
    "tinyvit": "",
    "vgg": "vgg16 vgg19",
    "vit": "visiontransformer visiontransformerhybrid visiontransformerrelpos vithybrid vitmae vitmsn vitrelpos deit "
    "deit3",
    "vovnet": "ecavovnet esevovnet",
    "xception": "xceptionaligned",
}
"""The families that have several spellings, or that names of models begin with: all letters and digits, lower case."""

_FAMILY_OF: Final[Mapping[str, str]] = {
    spelling: family for family, spellings in _SPELLINGS.items() for spelling in (family, *spellings.split())
}

_TOWER: Final = re.compile(r"(?<!_to)[_-](?:(?:vision|text|audio)(?:[_-]model)?|qformer)$")
"""The end of the name of a part of a model, such as `clip_vision_model`."""

_NOT_A_NAME: Final = frozenset({"tf", "legacy", "quantized", "bvlc", "timm", "test"})
"""What registries put before the name of an architecture."""

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

USUAL_BACKBONES: Final[Mapping[str, tuple[str, ...]]] = {
    "aria": ("idefics3",),
    "ayavision": ("cohere2", "siglip"),
    "cohere2vision": ("cohere2", "siglip"),
    "colpali": ("paligemma",),
    "conditionaldetr": ("resnet",),
    "dabdetr": ("resnet",),
    "deformabledetr": ("resnet",),
    "depthanything": ("dinov2",),
    "depthpro": ("dinov2",),
    "detr": ("resnet",),
    "dfine": ("hgnet",),
    "florence2": ("bart",),
    "gemma3": ("siglip",),
    "gotocr2": ("qwen2",),
    "granitespeech": ("blip2", "granite"),
    "groundingdino": ("bert", "swin"),
    "idefics2": ("mistral",),
    "idefics3": ("llama",),
    "internvl": ("qwen2",),
    "janus": ("llama",),
    "lfm2vl": ("lfm2", "siglip2"),
    "lightglue": ("superpoint",),
    "llava": ("clip", "llama"),
    "llavanext": ("clip", "llama"),
    "llavanextvideo": ("clip", "llama"),
    "llavaonevision": ("qwen2", "siglip"),
    "mask2former": ("swin",),
    "maskformer": ("swin",),
    "mistral3": ("mistral", "pixtral"),
    "mmgroundingdino": ("bert", "swin"),
    "omdetturbo": ("clip", "swin"),
    "oneformer": ("swin",),
    "ovis2": ("qwen2",),
    "paligemma": ("gemma", "siglip"),
    "perceptionlm": ("llama",),
    "promptdepthanything": ("dinov2",),
    "qwen2audio": ("qwen2",),
    "rtdetr": ("resnet",),
    "rtdetrv2": ("resnet",),
    "shieldgemma2": ("gemma3", "siglip"),
    "smolvlm": ("llama",),
    "superglue": ("superpoint",),
    "tabletransformer": ("resnet",),
    "tvp": ("resnet",),
    "upernet": ("resnet",),
    "videollava": ("clip", "llama"),
    "vipllava": ("clip", "llama"),
    "vitpose": ("vitposebackbone",),
    "voxtral": ("llama",),
    "zoedepth": ("beit",),
}
"""By family, the families of the models that it is built upon by default, as transformers configures them."""


def family_of(name: str) -> str:
    """The family that a source calls by this name, in one spelling for all sources; "" of "".

    A name that is not known stands for itself, in lower case and without what separates its words.
    """
    name = name.casefold()
    whole = _squeeze(name)
    return _FAMILY_OF.get(whole) or _FAMILY_OF.get(tower := _squeeze(_TOWER.sub("", name)), tower) or whole


def families_in(model: str) -> tuple[str, ...]:
    """The families that the name of a model names, in order: `mobilenetv3` in `lraspp_mobilenet_v3_large`.

    Only known families are found. Names of registries can be trusted to mean what they say; those that people give
    their own models cannot.
    """
    words = [word.lower() for word in _WORD.findall(model.rpartition("/")[2])]
    found: list[str] = []
    start = 0
    while start < len(words):
        ends = range(len(words), start, -1)
        spelling, end = next(
            ((text, end) for end in ends if (text := "".join(words[start:end])) in _FAMILY_OF), ("", start + 1)
        )
        found += [_FAMILY_OF[spelling]] if spelling else []
        start = end
    return tuple(dict.fromkeys(found))


def named_family(model: str) -> str:
    """The family that the name of a model begins with: `resnet` of `wide_resnet50_2`; "" where it is none known."""
    words = _WORD.findall(model.rpartition("/")[2])
    while words and words[0].lower() in _NOT_A_NAME:
        del words[0]
    names = ("".join(words[:end]).lower() for end in range(len(words), 0, -1))
    return next((_FAMILY_OF[name] for name in names if name in _FAMILY_OF), "")


def is_known(family: str) -> bool:
    """Whether a family is one that names of models are searched for."""
    return family in _SPELLINGS


def _squeeze(name: str) -> str:
    return re.sub(r"[^\w]|_", "", name)
