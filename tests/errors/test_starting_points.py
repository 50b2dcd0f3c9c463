"""Errors: generators and critics to start from."""

from tests.errors.cases import Case, both, copy, cut, foreign, newer

TITLE = "Generators and critics to start from"
CASES = [
    Case(
        "`--init_generator` with a file that does not exist",
        "pix2pix --init_generator g.safetensors",
        "g.safetensors does not exist; name a .safetensors file, a run's folder, or what `gan-jax models` lists.",
    ),
    Case(
        "`--init_generator` with a critic",
        "pix2pix --init_generator runs/tiny/tiny_critic.safetensors",
        "--init_generator runs/tiny/tiny_critic.safetensors holds a critic, PatchGAN; wanted a generator, "
        "UNet: give it the same flags.",
    ),
    Case(
        "`--init_critic` with a generator",
        "pix2pix --init_critic runs/tiny",
        "--init_critic runs/tiny holds a generator, UNet; wanted a critic, PatchGAN: give it the same flags.",
    ),
    Case(
        "`--init_generator` of another architecture",
        "pix2pix --init_generator runs/tiny --netG resnet_6blocks",
        "--init_generator runs/tiny holds a generator, UNet; wanted a generator, ResNet: give it the same flags.",
    ),
    Case(
        "`--init_generator` of another width",
        "pix2pix --init_generator runs/tiny --ngf 3",
        "--init_generator runs/tiny is another network: width is 2 there and 3 here; give it the same flags.",
    ),
    Case(
        "`--init_generator` of other channels",
        "pix2pix --init_generator runs/tiny --input_nc 1",
        "--init_generator runs/tiny: the given weights do not fit this network: params/down1/kernel has shape "
        "(4, 4, 3, 2), wanted (4, 4, 1, 2); give weights of the same architecture and fields.",
    ),
    Case(
        "a generator's file that is cut short",
        "pix2pix --init_generator g.safetensors",
        "g.safetensors is not a whole .safetensors file (Error while deserializing header: incomplete metadata, "
        "file not fully covered); copy or write it anew, or name another.",
        both(copy("runs/tiny/tiny.safetensors", "g.safetensors"), cut("g.safetensors", 0.9)),
    ),
    Case(
        "a .safetensors file of another program",
        "pix2pix --init_generator g.safetensors",
        "g.safetensors was not written by gan_jax; if it holds another program's weights, `gan-jax convert "
        "g.safetensors model.safetensors` makes a file of them that this program uses.",
        foreign("g.safetensors"),
    ),
    Case(
        "a generator's file from a newer gan_jax",
        "pix2pix --init_generator g.safetensors",
        "g.safetensors has format 5 and this gan_jax reads up to 4; install a newer gan_jax.",
        newer("g.safetensors"),
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
