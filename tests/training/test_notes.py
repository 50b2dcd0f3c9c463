"""What a run says of its images: which scores can be trusted, and what to do where reading is slow."""

from types import SimpleNamespace

import numpy as np
import pytest

from gan_jax.training import notes


class Some:
    """So many images that differ from others by their name."""

    def __init__(self, count, name):
        self.count, self.fingerprint = count, name

    def __len__(self):
        return self.count


def said(*, has_scores=True, **splits):
    splits = {name.replace("_", " "): source for name, source in splits.items()}
    return notes.of_scores(SimpleNamespace(splits=splits, has_scores=has_scores))


def test_images_of_their_own_and_enough_of_them_need_no_word():
    assert said(val=Some(8, "a"), test=Some(9, "b")) == []


def test_a_best_generator_chosen_on_the_test_images_is_said():
    (note,) = said(val=Some(20, "a"), test=Some(20, "a"))
    assert note == (
        "validation and the test have the same 20 images: the best generator is chosen on the test images, so its "
        "scores there flatter it; give val and test images of their own."
    )
    assert said(val=Some(20, "a"), test=Some(20, "a"), has_scores=False) == []


def test_few_images_are_said_with_their_number():
    assert said(val=Some(8, "a"), test=Some(7, "b")) == [
        "the test has 7 images: with fewer than 8 images, scores mean little."
    ]
    assert said(val=Some(1, "a"), test=Some(8, "b")) == [
        "validation has 1 image: with fewer than 8 images, scores mean little."
    ]
    same, few = said(val=Some(1, "a"), test=Some(1, "a"))
    assert "the same 1 image:" in same
    assert few.startswith("the test has 1 image:")


def test_both_directions_of_the_same_pairs_are_said_once():
    few = Some(2, "a")
    assert len(said(val_AtoB=few, val_BtoA=few, test_AtoB=few, test_BtoA=few)) == 2
    assert len(said(val_AtoB=few, val_BtoA=Some(9, "b"), test_AtoB=Some(9, "c"), test_BtoA=Some(9, "b"))) == 2


def test_no_images_at_all_are_said():
    (note,) = said(val=None, test=None, has_scores=False)
    assert "no images to validate and to test on" in note


@pytest.mark.parametrize(
    ("side", "threads", "words"),
    [
        (400, 4, "0.16 megapixels and training takes 64x32 of each, read by --num_threads 4 on 8 cores; "
            "give --cache ram or prepare the images (gan-jax data prepare) and give --num_threads 8."),
        (400, 8, "on 8 cores; give --cache ram or prepare the images (gan-jax data prepare)."),
        (64, 2, "0.0041 megapixels and training takes 64x32 of each, read by --num_threads 2 on 8 cores; give "
            "--num_threads 8."),
        (64, 16, "on 8 cores; these cores read no faster, and a larger network would take little longer."),
    ],
)  # fmt: skip
def test_waiting_is_said_with_numbers_and_what_they_ask_for(side, threads, words, monkeypatch):
    monkeypatch.setattr(notes.os, "cpu_count", lambda: 8)
    item = {"name": "a", "source": np.zeros((9, 9, 1), np.uint8), "target": np.zeros((side, side, 3))}
    example = {"source": np.zeros((2, 16, 16, 3)), "target": np.zeros((2, 32, 64, 3)), "label": np.zeros(2)}
    sentence = notes.of_waiting(threads, [item] * 3, example, 0.754)
    assert sentence.startswith("75% of the time is waiting for data: images have ")
    assert sentence.endswith(words)
