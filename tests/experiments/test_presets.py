"""What holds of the presets of all recipes together."""

from experiments import cyclegan, dcgan, pix2pix, srgan, wgan


def test_every_demo_has_a_folder_of_its_own():
    names = [recipe._preset("demo").name for recipe in (pix2pix, srgan, cyclegan, dcgan, wgan)]
    assert sorted(names) == ["demo", "demo_cyclegan", "demo_dcgan", "demo_srgan", "demo_wgan"]
