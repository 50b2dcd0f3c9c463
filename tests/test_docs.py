"""The code on the pages runs, docs/losses.md uses every loss, and the site that `make docs` made of them is whole."""

import html.parser
import inspect
import re
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import cli, losses, recipes
from gan_jax.data import image_files
from gan_jax.data.demo.facades import Facades
from gan_jax.networks import windowed
from gan_jax.terminal import commandline
from gan_jax.training import loggers

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "losses.md"
TEXT = PAGE.read_text()


def programs(page):
    """The page's Python blocks, compiled; lines are counted as on the page, for tracebacks."""
    text = page.read_text()
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield compile("\n" * text.count("\n", 0, match.start(1)) + match[1], page.name, "exec")


def test_every_loss_is_used_in_foreign_code():
    blocks = "\n".join(match[1] for match in re.finditer(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
    names = {
        name
        for name, member in vars(losses).items()
        if isinstance(member, losses.AdversarialLoss)
        or (inspect.isfunction(member) and member.__module__ == losses.__name__ and not name.startswith("_"))
    }
    assert {"hinge", "l1", "sinkhorn"} < names
    assert names - set(re.findall(r"losses\.(\w+)", blocks)) == set()
    # And the table at the top lists all of them.
    assert names - set(re.findall(r"`(\w+)`", TEXT)) == set()


def test_the_training_steps_train():
    names, logs = {"__name__": "page"}, []
    for code in programs(PAGE):
        exec(code, names)
        if log := names.pop("log", None):
            logs.append(log)
    assert len(logs) == 4
    for log in logs:
        assert all(np.isfinite(term) for terms in log for term in jax.tree.leaves(terms))
    plain, cycle, penalized, transport = logs
    for log, name in ((plain, "l1"), (plain, "content"), (cycle, "cycle_a"), (cycle, "identity_b")):
        assert log[-1][name] < 0.9 * log[0][name]
    assert transport[-1]["distance"] < 0.9 * transport[0]["distance"]
    wgan_gp, hinge_r1 = penalized[:5], penalized[5:]
    for log in (wgan_gp, hinge_r1):
        assert log[-1]["critic"] != log[0]["critic"]
        assert log[-1]["penalty"] != log[0]["penalty"]
    assert all(np.isfinite(value) for value in jax.tree.leaves((names["distances"], names["players"])))


def test_the_added_network_is_one():
    names = {"__name__": "page"}
    for code in programs(DOCS / "adding_a_network.md"):
        exec(code, names)
    module, outputs = names["Hourglass"], names["outputs"]
    assert outputs.shape == (2, 8, 12, 3)
    assert outputs.dtype == jnp.float32
    assert names["description"]["upsample"] == "bilinear"
    with pytest.raises(ValueError, match="images are 8x7; an Hourglass wants even sides"):
        module().init(jax.random.key(0), jnp.zeros((1, 8, 7, 3)), train=False)
    # And that of stages is its stages.
    deep, images = names["Deep"](width=4, blocks=2), jax.random.normal(jax.random.key(1), (1, 8, 12, 3))
    whole, variables = deep.init_with_output(jax.random.key(0), images, train=False)
    assert set(variables["params"]) == {"head", "block0", "block1", "tail"}
    given = [images]
    for module, name in deep.stages:
        own = variables["params"][name] if name else variables["params"]
        given.append(module.apply({"params": own}, given[-1], *given[1:2]))
    np.testing.assert_allclose(given[-1], whole, rtol=1e-5, atol=1e-6)
    assert [at.radius for at in windowed.stage_reaches(deep, 3)] == [1, 1, 1, 1]


def test_the_added_method_trains_and_its_file_is_taken_by_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page, names = DOCS / "adding_a_method.md", {"__name__": "page"}
    for code in programs(page):
        exec(code, names)
    assert len(names["curve"]) == 20
    assert np.mean(names["curve"][-5:]) < 0.8 * names["curve"][0]
    for i, item in enumerate(Facades("test", 2, 40)):
        image_files.save(f"maps/{i}.png", item["source"])
    (command,) = re.findall(r"^gan-jax (.*)$", page.read_text(), re.MULTILINE)
    assert cli.main(command.split()) == 0
    assert [image_files.read(f"fronts/{i}.png", 3).shape for i in range(2)] == [(40, 40, 3)] * 2
    capsys.readouterr()
    assert cli.main(["inspect", "mine.safetensors"]) == 0
    assert "generator of lsgan_l1 after 20 steps" in capsys.readouterr().out


def test_the_sources_on_the_page_on_data_open_and_make_batches(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for level, name in enumerate(
        ("facades/trainA/1", "facades/trainB/1", "photos/train/1", "horse2zebra/trainA/1", "horse2zebra/trainB/2",
         "digits/train/0/1", "digits/train/1/2", "DIV2K/DIV2K_valid_HR/0801")
    ):  # fmt: skip
        image_files.save(f"{name}.png", np.full((256, 256, 3), level, np.uint8))
    frames = np.zeros((5, 256, 256, 3), np.uint8), np.ones((5, 256, 256, 1), np.uint8)
    names = {"__name__": "page", "frames": frames}
    for code in programs(DOCS / "adding_data.md"):
        exec(code, names)
    assert capsys.readouterr().out == "(4, 256, 256, 3) (4, 256, 256, 3)\n(4, 256, 256, 1) (4, 256, 256, 3)\n"
    pair = names["pair"]
    assert (pair["name"], int(pair["source"].max()), int(pair["target"].max())) == ("1", 1, 0)  # BtoA
    assert names["horses"][0]["A"].max() == 3
    assert (names["digits"][1]["label"], names["digits"].classes) == (1, ("0", "1"))
    assert names["sharp"][0]["target"].shape == (256, 256, 3)
    assert (names["batch"]["source"].max(), names["batch"]["target"].min()) == (0, 1)


def test_the_program_on_the_page_on_preparing_data_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for level, name in enumerate(("trainA/1", "trainB/1")):
        image_files.save(f"facades/{name}.png", np.full((256, 256, 3), level, np.uint8))
    names = {"__name__": "page"}
    for code in programs(DOCS / "data.md"):
        exec(code, names)
    assert (names["batch"]["source"].shape, names["batch"]["target"].max()) == ((4, 256, 256, 3), 1)


def test_the_page_on_the_wasserstein_distance_says_what_its_code_computes():
    page, names = DOCS / "wasserstein.md", {"__name__": "page"}
    text = page.read_text()
    for code in programs(page):
        exec(code, names)
    for theta, (divergence, distance) in names["table"].items():
        assert f"| {theta} | {divergence:.4f} | {distance:.4f} |" in text
    assert (DOCS / "wasserstein.svg").read_text() == names["figure"]
    for name, pulls in names["pulls"].items():
        numbers = " | ".join(f"{pull:.4f}" for pull in pulls)
        assert re.search(rf"^\| {name}.* \| {re.escape(numbers)} \|$", text, re.MULTILINE), (name, numbers)


def test_each_number_of_the_readmes_table_is_on_the_page_that_its_row_names():
    rows = re.findall(r"^\| `.*\|$", (DOCS.parent / "README.md").read_text(), re.MULTILINE)
    assert len(rows) > 4
    for row in rows:
        (page,) = re.findall(r"\]\((docs/\w+\.md)\)", row)
        text = (DOCS.parent / page).read_text()
        numbers = re.findall(r"\d*\.\d+|\d+ min \d+ s", row)
        assert [number for number in numbers if number not in text] == [], row


def commands(page):
    """The words of each `gan-jax` line of a page, but those with words that stand for others."""
    lines = re.findall(r"^ *gan-jax (.*)$", page.read_text().replace("\\\n", " "), re.MULTILINE)
    words = [shlex.split(line, comments=True) for line in lines]
    return [found for found in words if not {"VERB", "RECIPE", "...", "--help"} & {*found}]


def parse(words):
    """Reads a command line of `gan-jax` and runs nothing."""
    if words[:2] == ["data", "preview"]:
        words = ["train", *commandline.take(words[2:], "--out")[1]]
    verb, *rest = words
    if verb == "train":
        return recipes.load(rest[0]).parse(rest[1:], program="gan-jax train")
    kind = cli._VERBS[verb]
    if rest[:1] == ["score"] and kind is cli.Study:
        kind, *rest = cli.StudyScore, *rest[1:]
    elif isinstance(kind, dict):
        kind, *rest = kind[rest[0]], *rest[1:]
    return commandline.read(kind, rest, program=f"gan-jax {verb}")


PAGES = {page.name: page for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"] if commands(page)}


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_are_understood(name, monkeypatch):
    monkeypatch.setattr(loggers, "require", lambda kind: None)  # whose packages are extras
    for words in commands(PAGES[name]):
        parse(words)


def test_every_result_that_a_page_links_is_on_the_page_of_results():
    """The site leads there, `docs/conf.py`: a table by the name of its file."""
    tables = (DOCS / "measurements.md").read_text()
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"\]\(\.\./benchmarks/results/(\w+)\.md\)", page.read_text()):
            assert f"({name})=\n" in tables, (page, name)


def test_every_module_that_import_gan_jax_offers_is_on_the_page_of_modules():
    listed = set(re.findall(r"^   gan_jax\.(\w+)", (DOCS / "api.md").read_text(), re.MULTILINE))
    # Left out: commands, the older names of `model`, and what commands stand on.
    assert set(dir(gan_jax)) - listed == {"cli", "generator", "terminal"}


class Page(html.parser.HTMLParser):
    """What an HTML page names itself and what it names elsewhere."""

    def __init__(self, path):
        super().__init__()
        self.names, self.links, self.parts = set(), set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.names |= {found[name] for name in ("id", "name") if found.get(name)}
        for name in ("href", "src", "srcset", "data", "poster", "action"):
            if value := found.get(name):
                (self.links if tag == "a" else self.parts).add(value)


@pytest.fixture(scope="module")
def site():
    """The pages of `make docs` by file; Sphinx itself has refused warnings."""
    folder = DOCS / "_build"
    assert (folder / "index.html").exists(), "this wants the site: make docs"
    return {path.resolve(): Page(path) for path in folder.rglob("*.html")}


@pytest.mark.slow
def test_the_site_has_every_page_and_every_local_address_leads_somewhere(site):
    stems = {path.stem for path in site}
    assert {path.stem for path in DOCS.glob("*.md")} <= stems
    assert {"gan_jax.losses", "train_pix2pix", "translate", "study_score"} <= stems
    lost = []
    for path, page in site.items():
        for address in page.links | page.parts:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            names = site[target].names if target in site else set()
            if not target.is_file() or (parts.fragment and target in site and unquote(parts.fragment) not in names):
                lost.append(f"{path.name}: {address}")
    assert lost == []


@pytest.mark.slow
def test_the_site_asks_no_other_host(site):
    """Links may lead elsewhere; what a page is made of may not."""
    foreign = {part for page in site.values() for part in page.parts if urlsplit(part).netloc}
    assert foreign == set()
    styles = list((DOCS / "_build").rglob("*.css"))
    assert styles
    for path in styles:
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", path.read_text()) == [], path
