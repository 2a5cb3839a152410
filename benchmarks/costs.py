"""Are the columns `macs` and `activations` what fvcore and PyTorch count?

    python benchmarks/costs.py

Models of torchvision and timm at their own image sizes, exported without weights. Beside ours: half of the
floating-point operations of torch.utils.flop_counter, which counts convolutions and products of matrices, attention's
included; and, where it is installed (pip install fvcore), fvcore's multiply-accumulates, less those of normalisation
and resizing, and its activations.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import timm
import torch
import torchvision
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from younger_hf.costs import count_costs
from younger_hf.extract import strip

NAMES = {
    torchvision: (
        "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t "
        "mnasnet1_0 mobilenet_v2 regnet_x_400mf resnet34 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_1 swin_t vgg16 "
        "vit_b_32"
    ).split(),
    timm: (
        "beit_base_patch16_224 cait_xxs24_224 coat_tiny convit_tiny convmixer_768_32 crossvit_tiny_240 cspresnet50 "
        "deit_tiny_patch16_224 dla34 dpn68 edgenext_xx_small efficientformer_l1 fastvit_t8 ghostnet_100 gmlp_s16_224 "
        "hrnet_w18_small lcnet_050 levit_128s mixer_b16_224 mobilenetv3_large_100 mobilevit_xxs nfnet_l0 pit_ti_224 "
        "poolformer_s12 regnety_016 res2net50_26w_4s resmlp_12_224 resnet18 sebotnet33ts_256 tf_efficientnet_b0 "
        "twins_pcpvt_small visformer_tiny xception41"
    ).split(),
}
NOT_MULTIPLIED = ("batch_norm", "layer_norm", "group_norm", "upsample", "adaptive_avg_pool2d", "grid_sampler")


def models() -> Iterator[tuple[str, torch.nn.Module, int]]:
    """Names, models and the sides of their images."""
    for name in NAMES[torchvision]:
        yield name, torchvision.models.get_model(name, weights=None).eval().requires_grad_(False), 224
    for name in NAMES[timm]:
        model = timm.create_model(name).eval().requires_grad_(False)
        yield name, model, model.default_cfg["input_size"][-1]


def by_torch(model: torch.nn.Module, image: torch.Tensor) -> float:
    """Multiply-accumulates by PyTorch's own count."""
    # The counter knows the products of attention where they are spelt out.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() / 2


def by_fvcore(model: torch.nn.Module, image: torch.Tensor) -> tuple[float, float] | None:
    """Multiply-accumulates and activations by fvcore's count; None where it is not installed."""
    try:
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
    except ModuleNotFoundError:
        return None
    quiet: Any = [
        analysis(model, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        for analysis in (FlopCountAnalysis, ActivationCountAnalysis)
    ]
    counts = quiet[0].by_operator()
    return sum(count for name, count in counts.items() if name not in NOT_MULTIPLIED), quiet[1].total()


def main() -> None:
    warnings.simplefilter("ignore")
    # Attention in one operator is what neither of the others counts.
    torch.backends.mha.set_fastpath_enabled(False)
    timm.layers.set_fused_attn(False)
    print(f"{'model':24}{'GMACs':>8}{'/ torch':>9}{'/ fvcore':>9}{'M activations':>15}{'/ fvcore':>9}")
    for name, model, side in models():
        image = torch.zeros(1, 3, side, side)
        program = torch.onnx.export(model, (image,), dynamo=True, verbose=False)
        assert program is not None
        costs = count_costs(strip(program.model_proto))
        if costs is None:
            print(f"{name:24}not known")
            continue
        theirs = by_fvcore(model, image)
        print(
            f"{name:24}{costs.macs / 1e9:8.3f}{costs.macs / by_torch(model, image):9.4f}"
            f"{f'{costs.macs / theirs[0]:.4f}' if theirs else '':>9}{costs.activations / 1e6:15.3f}"
            f"{f'{costs.activations / theirs[1]:.4f}' if theirs else '':>9}",
            flush=True,
        )


if __name__ == "__main__":
    main()
