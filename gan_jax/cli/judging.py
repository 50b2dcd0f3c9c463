"""The verb `study`, and `study score`."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

__all__ = ["Study", "StudyScore"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Study:
    """Write a page on which people judge images; `gan-jax study score *.json` says what they answered.

    In the two-choice test they see the real image and a method's, each for a moment, and say which was real; practice
    comes first and tells whether they were right. For the mean opinion score they rate each image from 1 to 5.
    """

    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="METHOD... OUTPUT")]
    """Folders of methods' images, called alike for one scene, then the folder to write to."""
    truth: Path | None = None
    """The folder of the real images."""
    kind: Literal["choice", "mos"] = "choice"
    """choice: which is real, as in pix2pix; wants --truth. mos: the mean opinion score, as in SRGAN; with --truth the
    real images are rated too, and set the scale first."""
    trials: int = 40
    """Images that each rater judges, of all methods together; of each scene those of all methods."""
    practice: int = 10
    """Rounds of practice of the two-choice test, on scenes that are not asked later."""
    seconds: float = 1.0
    """How long each image of the two-choice test is seen."""
    seed: int = 0
    """Chooses, with the rater's name, scenes and order."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import study

        if len(self.paths) < 2:
            raise ValueError("give at least one folder of images and, last, an output: gan-jax study A/ B/ OUT/.")
        for name, least in (("trials", 1), ("practice", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} is {getattr(self, name)}; wanted at least {least}.")
        if not 0 < self.seconds <= 60:
            raise ValueError(f"--seconds is {self.seconds:g}; wanted more than 0 and at most 60.")
        *folders, output = self.paths
        names = [folder.resolve().name for folder in folders]
        if len(set(names)) < len(names):
            names = [str(folder) for folder in folders]
        if len(set(names)) < len(names):
            raise ValueError("one folder is given twice; name each method's once.")
        if output.is_file():
            raise ValueError(f"{output} is a file; name a folder to write to.")
        made = study.make(
            dict(zip(names, folders, strict=True)),
            self.truth,
            kind=self.kind,
            trials=self.trials,
            practice=self.practice,
            seconds=self.seconds,
            seed=self.seed,
        )
        page = study.write(output, made)
        scenes = len(made.scenes)
        if scenes * len(made.methods) < self.trials:
            print(f"note: there are {scenes} scenes, so that raters judge fewer than {self.trials}.", file=sys.stderr)
        print(
            f"wrote {page}: {scenes} scenes of {', '.join(made.methods)}, {page.stat().st_size / 2**20:.1f} MiB\n"
            "each rater opens it and saves a file of answers; gan-jax study score *.json"
        )
        return 0


@dataclasses.dataclass(frozen=True)
class StudyScore:
    """Say what raters answered: scores with 95 % intervals, how raters differ, and methods in pairs."""

    answers: Positional[tuple[Path, ...]]
    """The files that raters saved."""
    json: Path | None = None
    """Also write the scores to this JSON file."""

    def run(self) -> int:
        """Returns the exit code."""
        import json

        from gan_jax import files, study

        scores = study.score(*study.read(self.answers))
        if self.json:
            files.write(self.json, json.dumps(study.as_json(scores), indent=2) + "\n")
        print(study.as_table(scores))
        return 0
