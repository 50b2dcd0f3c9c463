"""Errors: gan-jax sample."""

from tests.errors.cases import Case, of_latents

TITLE = "gan-jax sample"
CASES = [
    Case(
        "a generator that does not exist",
        "gan-jax sample nowhere.safetensors grid.png",
        "nowhere.safetensors does not exist; name a .safetensors file, a run's folder, or what `gan-jax models` lists.",
    ),
    Case(
        "a generator that starts from images",
        "gan-jax sample runs/tiny grid.png",
        "runs/tiny: it holds a generator of pix2pix, which makes no images from latents; images go through "
        "gan-jax translate.",
    ),
    Case(
        "`--label 3` of three classes",
        "gan-jax sample g.safetensors grid.png --label 3",
        "g.safetensors: no class is 3, and the generator's file has no names of classes; wanted a number from 0 to 2.",
        of_latents("g.safetensors", 3),
    ),
    Case(
        "`--label cow` of a generator that knows its classes by name",
        "gan-jax sample g.safetensors grid.png --label cow",
        "g.safetensors: no class is cow; wanted a number from 0 to 2, or a name: 0 ant, 1 bee, 2 cat.",
        of_latents("g.safetensors", 3, ("ant", "bee", "cat")),
    ),
    Case(
        "`--label` of a generator without classes",
        "gan-jax sample g.safetensors grid.png --label 1",
        "g.safetensors: the generator has no classes, so none is 1; leave out --label.",
        of_latents("g.safetensors", 0),
    ),
    Case(
        "a grid as JPEG",
        "gan-jax sample g.safetensors grid.jpg",
        "grid.jpg: a grid is written as .png; give it that name, or name a folder.",
        of_latents("g.safetensors", 0),
    ),
    Case(
        "nine images of interpolations",
        "gan-jax sample g.safetensors grid.png --interpolate --n 9",
        "--n is 9; interpolations are rows of 8: wanted a multiple of it.",
        of_latents("g.safetensors", 0),
    ),
    Case("`--n 0`", "gan-jax sample g.safetensors grid.png --n 0", "--n is 0; wanted at least 1."),
    Case(
        "`--seed -1`",
        "gan-jax sample g.safetensors grid.png --seed -1",
        "--seed is -1; wanted at least 0 and less than 2**32.",
    ),
    Case(
        "a generator from latents, to translate",
        "gan-jax translate g.safetensors data/test out",
        "g.safetensors: this DCGANGenerator makes images from latents, not from images; use gan-jax sample.",
        of_latents("g.safetensors", 0),
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
