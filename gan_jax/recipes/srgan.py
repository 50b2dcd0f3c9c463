r"""Super-resolution: SRResNet, and SRGAN that goes on from it.

    gan-jax train srgan demo
    gan-jax train srgan srresnet-paper --dataroot datasets/DIV2K
    gan-jax train srgan srgan-paper --dataroot datasets/DIV2K --vgg_file vgg19-dcbb9e9d.pth \
        --init_generator checkpoints/srresnet-paper

Stage 1 trains the generator for pixels alone, stage 2 against a critic and for the features of a trained VGG; `--stage
both` does one after the other. Low resolution is made of the photographs inside the step. PRESET `demo` takes minutes
on two CPU cores; srresnet-paper, srgan-paper, srresnet-basicsr and srgan-basicsr are the published settings.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from gan_jax import losses, networks, perceptual
from gan_jax.data import super_resolution as data
from gan_jax.methods.srgan import srgan
from gan_jax.methods.srresnet import srresnet
from gan_jax.recipes import adversarial, enlargers, flags, super_resolution, translators
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import run, translation
from gan_jax.training.config import require_at_least
from gan_jax.training.experiment import Experiment

__all__ = ["PIXEL_LOSSES", "PRESETS", "RECIPE", "Config", "build", "experiment", "main", "stages", "train"]
__dir__ = __all__.copy

PIXEL_LOSSES = {"l1": losses.l1, "l2": losses.l2, "charbonnier": losses.charbonnier}


@dataclasses.dataclass(frozen=True)
class Config(adversarial.AdversarialFlags, enlargers.Config):
    """The flags of SRResNet and SRGAN."""

    preset: flags.Preset = None
    """demo: photographs, minutes on two CPU cores. Or a published recipe."""
    stage: Literal["srresnet", "srgan", "both"] = "srresnet"
    """srresnet: pixels alone. srgan: critic and content, from --init_generator. both: one after the other."""
    pixel_loss: Literal["l1", "l2", "charbonnier"] = "l2"
    """Distance of stage 1, and of stage 2's pixel term."""
    tv_weight: float = 0.0
    """Weight of total variation."""
    content: Literal["vgg19", "vgg16", "none"] = "vgg19"
    """Network of the content loss; VGG16 comes with the `perceptual` extra, VGG19 from --vgg_file."""
    content_layers: tuple[str, ...] = ("relu5_4",)
    """Layers that are compared: relu after, conv before the activation."""
    content_distance: Literal["l1", "l2"] = "l2"
    """Distance of features."""
    content_scale: float = 1 / 12.75
    """Factor of the features."""
    content_weight: float = 1.0
    """Weight of the content loss."""
    vgg_file: Path | None = None
    """torchvision's weights of the content network."""
    gan_mode: Literal["vanilla", "lsgan", "hinge", "relativistic", "wasserstein", "wgangp", "none"] = "vanilla"
    """Adversarial loss of stage 2: wasserstein clips the critic's weights, wgangp penalizes its gradient, which needs
    another --norm_d than batch; none trains for content alone."""
    gan_weight: float = 1e-3
    """Weight of the adversarial loss."""
    pixel_weight: float = 0.0
    """Weight of the pixel loss in stage 2."""
    gan_iter: int = 100_000
    """With --stage both, the steps of stage 2."""
    gan_lr: float = 1e-4
    """With --stage both, the learning rate of stage 2."""
    gan_milestones: tuple[int, ...] = ()
    """With --stage both, the --milestones of stage 2."""
    gan_gamma: float = 0.5
    """With --stage both, the --gamma of stage 2."""
    beta2: float = 0.999
    """Adam's decay of the squared gradient's average."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "gan_iter", 1)
        for name in ("tv_weight", "content_scale", "content_weight", "gan_weight", "pixel_weight"):
            require_at_least(self, name, 0)
        self.check_critic(self.norm_d, others="--norm_d instance, layer or none")
        if self.netD == "vggstyle" and self.gt_size not in (128, 256) and self.stage != "srresnet":
            raise ValueError(
                f"--netD vggstyle judges crops of 128 or 256; --gt_size is {self.gt_size}: take --netD srgan_pool."
            )
        if self.stage == "both" and self.from_step is not None:
            raise ValueError(
                "--from_step goes back in one run, and --stage both makes two; give the stage's own command."
            )
        if self.stage == "both" and (self.preset or "").startswith("srgan-"):
            instead = str(self.preset).replace("srgan-", "srresnet-")
            raise ValueError(f"{self.preset} is the second stage alone; both are {instead} --stage both.")
        if self.gan_mode == "none" and self.content == "none" and not self.pixel_weight and self.stage != "srresnet":
            raise ValueError("--gan_mode none, --content none and --pixel_weight 0 leave no loss; give one of them.")


def _second(config: Config) -> Config:
    """Stage 2 of a configuration of both."""
    return dataclasses.replace(
        config,
        stage="srgan",
        total_iter=config.gan_iter,
        lr=config.gan_lr,
        milestones=config.gan_milestones,
        gamma=config.gan_gamma,
        periods=(),
    )


# Those of the first stage, with what `--stage both` takes for the second.
_PAPER = Config(
    batch_size=16,
    gt_size=96,
    lr=1e-4,
    beta1=0.9,
    total_iter=1_000_000,
    gan_iter=200_000,
    gan_milestones=(100_000,),
    gan_gamma=0.1,
    val_freq=5000,
)
_BASICSR = dataclasses.replace(
    _PAPER,
    netG="msrresnet",
    netD="vggstyle",
    gt_size=128,
    lr=2e-4,
    beta2=0.99,
    periods=(250_000,) * 4,
    ema_decay=0.999,
    gan_iter=400_000,
    gan_milestones=(50_000, 100_000, 200_000, 300_000),
    gan_gamma=0.5,
    content_layers=("conv5_4",),
    content_distance="l1",
    content_scale=1.0,
    pixel_loss="l1",
    pixel_weight=1e-2,
    gan_weight=5e-3,
)
_BY_NAME = {
    "demo": Config(
        stage="both",
        dataroot="builtin:photos",
        scale=2,
        gt_size=64,
        batch_size=8,
        netG="msrresnet",
        netD="srgan_pool",
        num_block=4,
        num_feat=32,
        num_feat_d=16,
        pixel_loss="l1",
        lr=1e-3,
        beta1=0.9,
        total_iter=800,
        gan_iter=300,
        gan_lr=2e-4,
        content="vgg16",
        content_layers=("relu2_2", "relu3_3"),
        content_scale=1.0,
        content_weight=0.01,
        pixel_weight=1.0,
        gan_weight=1e-3,
        val_freq=200,
        save_latest_freq=200,
    ),
    "srresnet-paper": _PAPER,
    "srgan-paper": _second(_PAPER),
    "srresnet-basicsr": _BASICSR,
    "srgan-basicsr": _second(_BASICSR),
}
# checkpoints/demo is pix2pix's.
PRESETS = {
    preset: dataclasses.replace(config, preset=preset, name="demo_srgan" if preset == "demo" else preset)
    for preset, config in _BY_NAME.items()
}


def _content(config: Config) -> Any:
    """The trained network of the content loss, where there is one."""
    if config.content == "none":
        return None
    return perceptual.content_features(config.content, config.content_layers, path=config.vgg_file)


def experiment(config: Config) -> Experiment:
    """The experiment that a configuration of one stage means."""
    train, val, test = (super_resolution.open_split(config, split) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    generator_net = enlargers.generator_module(config)
    tx = flags.adam(config, 1, beta2=config.beta2)
    common: dict[str, Any] = {
        "generator_tx": tx,
        "degrade": super_resolution.degradation(config),
        "tv_weight": config.tv_weight,
        "ema_decay": config.ema_decay,
        **enlargers.ranges(config),
    }
    spec = enlargers.generator_spec(config, generator_net, method=config.stage)
    generator = translators.network(config, generator_net, "generator", networks.from_linen(generator_net))
    described, specs = {"generator": networks.describe(generator_net)}, {"generator": spec}
    if config.stage == "srresnet":
        method = srresnet(generator, loss=PIXEL_LOSSES[config.pixel_loss], **common)
    else:
        judge = enlargers.critic_module(config)
        described["critic"] = networks.describe(judge)
        if config.gan_mode != "none":
            specs["critic"] = translators.critic_spec(judge, config.channels, method=config.stage)
        content, trained = None, _content(config)
        if trained is not None:
            content = networks.with_weights(networks.from_linen(trained.module), **trained.variables)
            described["content"] = {**networks.describe(trained.module), "digest": trained.digest}
        method = srgan(
            generator,
            translators.network(config, judge, "critic", networks.from_linen(judge)),
            critic_tx=config.critic_tx(tx),
            content=content,
            content_weight=config.content_weight,
            content_distance=config.content_distance,
            content_scale=config.content_scale,
            pixel_loss=PIXEL_LOSSES[config.pixel_loss],
            pixel_weight=config.pixel_weight,
            adversarial=config.adversarial,
            adversarial_weight=config.gan_weight,
            penalty_weight=config.penalty_weight,
            **common,
        )
    return Experiment(
        method_name=config.stage,
        method=method,
        networks=described,
        specs=specs,
        train=train,
        train_transform=data.crop(config.gt_size, config.scale, flip=not config.no_flip),
        evaluator=translation.TranslationEvaluator(
            {"generator": super_resolution.task(config, val, test)},
            protocol=super_resolution.protocol(config.scale).title,
            best="psnr" if config.stage == "srresnet" else "lpips",
        ),
        needs_whole_batch=config.needs_whole_batch,
    )


def stages(config: Config) -> list[Config]:
    """The runs of a configuration: itself, or two below its folder, of which the second starts from the first."""
    if config.stage != "both":
        return [config]
    first = dataclasses.replace(config, stage="srresnet", name="srresnet", checkpoints_dir=config.folder)
    # A dry run has not written the first.
    second = dataclasses.replace(_second(first), name="srgan", init_generator=None if config.dry_run else first.folder)
    return [first, second]


def train(config: Config) -> int:
    """Trains all stages; returns the exit code."""
    config.check()
    if config.stage == "both":
        _content(config)  # what it lacks is said now, not after the first stage
    for stage in stages(config):
        if config.stage == "both":
            print(f"\nstage {stage.stage}")
        elif stage.init_generator is None and stage.stage == "srgan":
            print("starting SRGAN from nothing: the paper starts from SRResNet, --init_generator FILE.")
        code = run.execute(stage, experiment(stage))
        if code:
            return code
    return 0


RECIPE = Recipe(__doc__, Config, PRESETS, experiment, train=train)
build, main = RECIPE.build, RECIPE.main
