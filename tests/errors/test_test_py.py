"""Errors: python test.py."""

from tests.errors.cases import Case, both, cut, remove, text

TITLE = "python test.py"
CASES = [
    Case(
        "a run that does not exist",
        "test.py --name nobody",
        "runs/nobody does not exist; name a .safetensors file, a run's folder, or what `gan-jax models` lists.",
    ),
    Case(
        "a folder without images to test on",
        "test.py",
        "data holds no images to test on; --phase train takes those that it has.",
        both(remove("data/test"), remove("data/val")),
    ),
    Case(
        "`--epoch best` of a run that never validated",
        "test.py --epoch best",
        "runs/tiny/tiny_best.safetensors does not exist; a run writes it when validation scores it: "
        "use --epoch latest.",
        remove("runs/tiny/tiny_best.safetensors"),
    ),
    Case(
        "a damaged config.json",
        "test.py",
        "runs/tiny/config.json is damaged; the run cannot be tested.",
        text("runs/tiny/config.json", "{"),
    ),
    Case(
        "`--epoch 100`",
        "test.py --epoch 100",
        "runs/tiny keeps no generator of epoch 100; a run keeps what --keep, --save_epoch_freq or "
        "--save_checkpoint_freq asks for while it trains.",
    ),
    Case(
        "`--epoch last`",
        "test.py --epoch last",
        "--epoch is last; wanted latest, best, or an epoch that --save_epoch_freq kept.",
    ),
    Case(
        "`--phase night`, a split that is not there",
        "test.py --phase night",
        "data holds no images of --phase night; --phase train takes those that it has.",
    ),
    Case(
        "`--phase` with a path",
        "test.py --phase data/test",
        "--phase is data/test; wanted the name of one folder, as test or val.",
    ),
    Case(
        "`--num_tset 3`",
        "test.py --num_tset 3",
        "there is no --num_tset here; perhaps --num_test is meant; --help shows all flags.",
    ),
    Case("`--num_test 0`", "test.py --num_test 0", "--num_test is 0; wanted at least 1."),
    Case(
        "an image that cannot be decoded; the others are translated",
        "test.py",
        "data/test/test_0001.png is damaged or not an image; replace or remove it.",
        cut("data/test/test_0001.png", 0.6),
        code=1,
        writes="results/",
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
