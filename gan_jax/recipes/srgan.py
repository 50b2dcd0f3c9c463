r"""Super-resolution: SRResNet, and SRGAN that goes on from it; ESRGAN and Real-ESRGAN, which are trained as they are.

    gan-jax train srgan demo
    gan-jax train srgan srresnet-paper --dataroot datasets/DIV2K
    gan-jax train srgan srgan-paper --dataroot datasets/DIV2K --vgg_file vgg19-dcbb9e9d.pth \
        --init_generator checkpoints/srresnet-paper

Stage 1 trains the generator for pixels alone, stage 2 against a critic and for the features of a trained VGG; `--stage
both` does one after the other. Low resolution is made of the photographs inside the step. PRESET `demo` takes minutes
on two CPU cores, and `real`, Real-ESRGAN's training beside it, twice as many; srresnet-paper, srgan-paper,
srresnet-basicsr, srgan-basicsr, rrdbnet-paper, esrgan-paper, realesrnet and realesrgan are the published settings.
"""

import dataclasses
from typing import Any, Literal

from gan_jax import losses, networks
from gan_jax.data import super_resolution as data
from gan_jax.method import rounded_once
from gan_jax.methods.srgan import srgan
from gan_jax.methods.srresnet import srresnet
from gan_jax.recipes import enlargers, flags, presets, srgan_real, stages, super_resolution, translators
from gan_jax.recipes.recipe import Recipe
from gan_jax.training.config import require_at_least
from gan_jax.training.experiment import Experiment

__all__ = ["PIXEL_LOSSES", "PRESETS", "RECIPE", "Config", "build", "experiment", "main"]
__dir__ = __all__.copy

PIXEL_LOSSES = {"l1": losses.l1, "l2": losses.l2, "charbonnier": losses.charbonnier}


@dataclasses.dataclass(frozen=True)
class Config(enlargers.Config):
    """SRResNet's and SRGAN's own flags."""

    preset: flags.Preset = None
    """demo: photographs, minutes on two CPU cores. real: Real-ESRGAN beside it. Or a published recipe."""
    pixel_loss: Literal["l1", "l2", "charbonnier"] = "l2"
    """Distance of stage 1, and of stage 2's pixel term."""
    tv_weight: float = 0.0
    """Weight of total variation."""
    gan_mode: Literal["vanilla", "lsgan", "hinge", "relativistic", "wasserstein", "wgangp", "none"] = "vanilla"
    """Adversarial loss of stage 2: wasserstein clips the critic's weights, wgangp penalizes its gradient, which needs
    another --norm_d than batch; none trains for content alone."""
    gan_weight: float = 1e-3
    """Weight of the adversarial loss."""
    pixel_weight: float = 0.0
    """Weight of the pixel loss in stage 2."""
    beta2: float = 0.999
    """Adam's decay of the squared gradient's average."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("tv_weight", "gan_weight", "pixel_weight"):
            require_at_least(self, name, 0)
        self.check_both(self.preset, self.from_step)
        if self.gan_mode == "none" and self.content == "none" and not self.pixel_weight and self.stage != "srresnet":
            raise ValueError("--gan_mode none, --content none and --pixel_weight 0 leave no loss; give one of them.")


def _stages(second: str, published: str) -> dict[str, Config]:
    """The presets of both stages of a published recipe, of which `second` is the name of the second."""
    first = presets.FIRST_STAGES[second]
    config = Config(preset=first, name=first, **presets.SRGAN[published])
    return {first: config, second: dataclasses.replace(config, preset=second, name=second, **config.of_second)}


PRESETS = {
    "demo": Config(preset="demo", **presets.SRGAN["demo"]),
    "real": Config(preset="real", **presets.SRGAN["real"]),
    **{
        name: Config(preset=name, **presets.SRGAN[name]) for name in ("upscale_x2", "upscale_x4", "upscale_x4_features")
    },
    **_stages("srgan-paper", "paper"),
    **_stages("srgan-basicsr", "basicsr"),
    **_stages("esrgan-paper", "esrgan"),
    **_stages("realesrgan", "realesrgan"),
}


def experiment(config: Config) -> Experiment:
    """The experiment that a configuration of one stage means."""
    train, evaluator = super_resolution.splits(config, best="psnr" if config.stage == "srresnet" else "lpips")
    generator_module = enlargers.generator_module(config)
    tx = flags.adam(config, 1, beta2=config.beta2)
    common: dict[str, Any] = {
        "generator_tx": tx,
        **config.pairing,
        "tv_weight": config.tv_weight,
        "ema_decay": config.ema_decay,
        **enlargers.ranges(config),
    }
    spec = enlargers.generator_spec(config, generator_module, method=config.stage)
    generator = enlargers.started(config, generator_module, "generator")
    described, specs = {"generator": networks.describe(generator_module)}, {"generator": spec}
    if config.stage == "srresnet":
        method = srresnet(generator, loss=PIXEL_LOSSES[config.pixel_loss], **common)
    else:
        judge = enlargers.critic_module(config)
        described["critic"] = networks.describe(judge)
        if config.gan_mode != "none":
            specs["critic"] = translators.critic_spec(judge, config.channels, method=config.stage)
        content, described_content = config.content_network(config.dtype)
        described |= described_content
        method = srgan(
            generator,
            enlargers.started(config, judge, "critic"),
            critic_tx=config.critic_tx(tx),
            content=content,
            content_weight=config.content_weight,
            content_distance=config.content_distance,
            content_scale=config.content_scale,
            layer_weights=config.layer_weights,
            pixel_loss=PIXEL_LOSSES[config.pixel_loss],
            pixel_weight=config.pixel_weight,
            adversarial=config.adversarial,
            adversarial_weight=config.gan_weight,
            penalty_weight=config.penalty_weight,
            **common,
        )
    return Experiment(
        method_name=config.stage,
        method=rounded_once(method) if config.dtype == "bfloat16" else method,
        networks=described,
        specs=specs,
        train=train,
        train_transform=data.crop(config.loaded_size, config.scale, flip=not config.no_flip),
        evaluator=evaluator,
        needs_whole_batch=config.needs_whole_batch + (["--queue_size"] if config.queue_size else []),
        game=config.adversarial,
        ema_decay=config.ema_decay,
    )


def _train(config: Config) -> int:
    if config.preset == "real" and config.stage == "both":
        return srgan_real.real(config, experiment)
    return stages.train(config, experiment)


RECIPE = Recipe(__doc__, Config, PRESETS, experiment, train=_train)
build, main = RECIPE.build, RECIPE.main
