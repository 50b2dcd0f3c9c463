"""Checking folders: one of each fault is found, and none where there is none."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli
from gan_jax.data import checking, facts, image_files, prepare, splitting
from gan_jax.data.demo.day_night import DayNight
from gan_jax.data.demo.facades import Facades

SIDE = 128


@pytest.fixture(scope="module")
def scenes():
    drawn = DayNight("train", 14, SIDE)
    return [drawn[i] for i in range(len(drawn))]


@pytest.fixture
def folder(tmp_path, scenes):
    """Ten pairs to train on and two to test, with nothing wrong."""
    for i, scene in enumerate(scenes[:12]):
        for side, key in (("A", "source"), ("B", "target")):
            image_files.save(tmp_path / "data" / f"{'train' if i < 10 else 'test'}{side}" / f"{i}.png", scene[key])
    return tmp_path / "data"


def faults(folder, **options):
    report = checking.check(folder, **options)
    found = {}
    for fault in report.faults:
        names = tuple(str(path).removeprefix(f"{folder}/") for path in fault.files)
        found.setdefault(fault.kind, []).append(names)
    return found


def test_nothing_is_invented(folder, capsys):
    assert faults(folder) == {}
    assert cli.main(["data", "check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[:4] == ["test", "A", "2", "0.1"]
    assert "PNG 10; RGB 10; 128x128" in out
    assert out.endswith("no faults\n")


def test_one_of_each_fault_is_found_and_no_other(folder, scenes, tmp_path, capsys):
    train = folder / "trainA", folder / "trainB"
    content = (train[0] / "0.png").read_bytes()
    (train[0] / "0.png").write_bytes(content[: len(content) // 2])  # damaged
    (train[1] / "1.png").write_bytes(b"")  # damaged
    (train[1] / "2.png").unlink()  # unmatched
    image_files.save(train[1] / "3.png", scenes[3]["target"][:-4])  # sizes
    image_files.save(train[1] / "4.png", np.roll(scenes[4]["target"], (3, -5), (0, 1)))  # shifted
    for side in train:  # duplicates, in another format
        image_files.save(side / "again.bmp", image_files.read(side / "5.png", 3))
    for side in train:  # near-duplicates
        image_files.save(side / "nearly.jpg", image_files.read(side / "6.png", 3))
    for side in "AB":  # leak
        shutil.copy(folder / f"train{side}" / "7.png", folder / f"test{side}" / "leak.png")
    Image.fromarray(np.full((SIDE, SIDE), 40_000, np.uint16)).save(train[0] / "8.png")  # deep
    (train[0] / "scan.heic").write_bytes(b"\0\0\0\x18ftypheic")  # left out
    assert faults(folder) == {
        "damaged": [("trainA/0.png",), ("trainB/1.png",)],
        "deep": [("trainA/8.png",)],
        "left out": [("trainA/scan.heic",)],
        "unmatched": [("trainA/2.png",)],
        "sizes": [("trainA/3.png", "trainB/3.png")],
        "shifted": [("trainA/4.png", "trainB/4.png")],
        "duplicates": [("trainA/5.png", "trainA/again.bmp"), ("trainB/5.png", "trainB/again.bmp")],
        "near-duplicates": [("trainA/6.png", "trainA/nearly.jpg"), ("trainB/6.png", "trainB/nearly.jpg")],
        "leak": [("testA/leak.png", "trainA/7.png"), ("testB/leak.png", "trainB/7.png")],
    }
    sheet, table = tmp_path / "sheet.png", tmp_path / "report.json"
    assert cli.main(["data", "check", str(folder), "--json", str(table), "--sheet", str(sheet)]) == 1
    out = capsys.readouterr().out
    assert "B is 3 pixels lower and 5 to the left of A in" in out
    assert out.splitlines()[-2] == "13 faults"
    report = json.loads(table.read_text())
    assert report["counts"]["leak"] == 2
    assert report["splits"]["train A"]["files"] == 12
    assert image_files.read(sheet, 3).shape[1] == 6 * 168
    assert set(checking.FAULTS) >= report["counts"].keys()


def test_pairs_side_by_side(tmp_path, scenes):
    drawn = Facades("train", 6, SIDE)
    for i in range(6):
        both = np.concatenate([drawn[i]["source"], drawn[i]["target"]], axis=1)
        image_files.save(tmp_path / "train" / f"{i}.png", both)
    assert faults(tmp_path) == {}
    image_files.save(
        tmp_path / "train" / "3.png", np.concatenate([scenes[3]["source"], scenes[3]["target"][:, :-1]], 1)
    )
    moved = np.roll(scenes[4]["target"], 4, 0)
    image_files.save(tmp_path / "train" / "4.png", np.concatenate([scenes[4]["source"], moved], axis=1))
    assert faults(tmp_path, kind="pairs") == {"sizes": [("train/3.png",)], "shifted": [("train/4.png",)]}


def test_low_resolution_is_compared_and_its_downscaler_named(tmp_path, scenes, capsys):
    def box(image, scale):
        height, width = image.shape[0] // scale, image.shape[1] // scale
        return np.rint(image.reshape(height, scale, width, scale, 3).mean((1, 3))).astype(np.uint8)

    high, low = tmp_path / "high", tmp_path / "low"
    for i, scene in enumerate(scenes[:6]):
        image_files.save(high / f"{i}.png", scene["target"])
        image_files.save(low / f"{i}x4.png", box(scene["target"], 4))
    shrinks = {"nearest": lambda image, scale: image[::scale, ::scale], "area": box}
    report = checking.check(high, low_root=low, shrinks=shrinks)
    assert (report.faults, report.downscaler) == ([], "area (equal to its)")
    shutil.copy(low / "0x4.png", low / "1x4.png")
    image_files.save(low / "2x4.png", box(scenes[2]["target"], 2))
    (low / "3x4.png").unlink()
    report = checking.check(high, low_root=low)
    assert [(fault.kind, fault.files[0]) for fault in report.faults] == [
        ("unmatched", str(high / "3.png")),
        ("scale", str(high / "2.png")),
        ("other scene", str(high / "1.png")),
    ]
    assert "64x64, a factor of 2 by 2; wanted 32x32 at scale 4" in report.faults[1].words
    assert cli.main(["data", "check", str(high), "--dataroot_lq", str(low)]) == 1
    assert "low resolution was made by: area" in capsys.readouterr().out
    assert checking.as_json(report)["counts"] == {"unmatched": 1, "scale": 1, "other scene": 1}


def test_a_prepared_data_set_is_compared_with_its_manifest(folder, tmp_path):
    out = tmp_path / "out"
    prepare.prepare(folder, out, prepare.Settings("pairs", load_size=36, crop_size=32))
    report = checking.check(out)
    assert (report.kind, report.faults) == ("prepared", [])
    assert checking.contact_sheet(report) is None
    assert "train" in checking.as_text(report)
    shard = next(out.glob("out-train*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert [fault.kind for fault in checking.check(out).faults] == ["damaged"]
    (out / "manifest.json").unlink()
    with pytest.raises(ValueError, match="has no manifest of gan-jax data prepare"):
        checking.check(out)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no images in"):
        checking.check(tmp_path)


def test_facts_and_likeness(tmp_path, scenes):
    image_files.save(tmp_path / "a.png", scenes[0]["source"])
    image_files.save(tmp_path / "b.bmp", scenes[0]["source"])
    image_files.save(tmp_path / "c.jpg", scenes[0]["source"])
    for name in "de":  # plain images are alike if they are equal
        image_files.save(tmp_path / f"{name}.png", np.full((9, 9, 1), ord(name), np.uint8))
    names = sorted(path.name for path in tmp_path.iterdir())
    known = dict(zip(names, facts.read_facts([tmp_path / name for name in names]), strict=True))
    assert known["a.png"] == facts.facts_of(tmp_path / "a.png")
    assert (known["b.bmp"].format, known["b.bmp"].width, known["b.bmp"].problem) == ("BMP", SIDE, None)
    assert facts.alike(known) == [(["a.png", "b.bmp", "c.jpg"], False)]
    assert facts.alike({name: known[name] for name in ("a.png", "b.bmp")}) == [(["a.png", "b.bmp"], True)]
    assert "cannot be read" in facts.facts_of(tmp_path / "nothing.png").problem


def test_shifts_are_measured(scenes):
    a, b = scenes[0]["source"], scenes[0]["target"]
    assert facts.shift(a, b) == (0, 0)
    assert facts.shift(a, np.roll(b, (-6, 9), (0, 1))) == (-6, 9)
    assert facts.shift(a, scenes[1]["target"]) is None
    assert facts.shift(a, np.zeros_like(b)) is None


def test_split_keeps_what_is_alike_together(tmp_path, scenes):
    source = tmp_path / "data"
    rng = np.random.default_rng(0)
    for i, scene in enumerate(scenes):
        image_files.save(source / "x" / f"{i}.png", scene["source"])
        noisy = np.clip(scene["source"] + rng.normal(0, 1, scene["source"].shape), 0, 255)
        image_files.save(source / "y" / f"again {i}.png", noisy.astype(np.uint8))
    counts = splitting.split(source, tmp_path / "out", val=0.3, test=0.3)
    assert sum(counts.values()) == 28
    assert min(counts.values()) > 0
    place = {}
    for name in counts:
        for path in (tmp_path / "out" / name).rglob("*.png"):
            place.setdefault(path.stem.removeprefix("again "), set()).add(name)
    assert all(len(names) == 1 for names in place.values())
    assert len(place) == 14
    # Images that are alike to no other go to the same place whatever others there are.
    shutil.rmtree(source / "y")
    places = []
    for part in ("whole", "part"):
        splitting.split(source, tmp_path / part, val=0.3, test=0.3, link=True)
        files = (path.relative_to(tmp_path / part) for path in (tmp_path / part).rglob("*.png"))
        places.append({path.name: path.parts[0] for path in files})
        for i in range(7):
            (source / "x" / f"{i}.png").unlink(missing_ok=True)
    assert len(places[1]) == 7
    assert places[1].items() <= places[0].items()
    assert next((tmp_path / "part").rglob("*.png")).is_symlink()
    with pytest.raises(ValueError, match="out is not empty; name another folder"):
        splitting.split(source, tmp_path / "out")
    with pytest.raises(ValueError, match="wanted at least 0, and less than 1 together"):
        splitting.split(source, tmp_path / "none", val=0.5, test=0.5)


def test_split_takes_pairs_together(folder, tmp_path, capsys):
    (folder / "trainA").rename(folder / "A")
    (folder / "trainB").rename(folder / "B")
    shutil.copy(folder / "B/1.png", folder / "B/2.png")  # their A must not be apart
    assert cli.main(["data", "split", str(folder), str(tmp_path / "out"), "--val", "0.3", "--test", "0.3"]) == 0
    assert "in train" in capsys.readouterr().out
    names = {path.name: {f.name for f in path.iterdir()} for path in (tmp_path / "out").iterdir()}
    for name in ("train", "val", "test"):
        assert names.get(f"{name}A") == names.get(f"{name}B")
        present = names.get(f"{name}A", set())
        assert ("1.png" in present) == ("2.png" in present)
