from gan_jax import model
from gan_jax.cli import speaking


def test_a_speaker_says_ten_notes_and_ten_failures_and_counts_the_others(capsys):
    speaker = speaking.Speaker("read")
    speaker.note("first")
    speaker.notes(str(number) for number in range(11))
    speaker.end([f"{number}.png is damaged." for number in range(12)])
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["note: first", "note: 0"]
    assert said[10] == "note: ... and 2 more notes."
    assert said[11] == "error: 0.png is damaged."
    assert len(said) == 10 + 1 + 11


def test_the_model_of_a_folder_of_runs_is_said(tmp_path, tiny_generator, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    model.save(tmp_path / "run" / "g.safetensors", tiny_generator())
    assert speaking.load(tmp_path, None).spec.method == "pix2pix"
    assert capsys.readouterr().err == f"note: the generator is {tmp_path / 'run' / 'g.safetensors'}.\n"
    speaking.load(tmp_path / "run", None)
    assert capsys.readouterr().err == ""


def test_each_run_of_a_folder_is_asked_and_the_others_go_on(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")

    def call(run):
        if run.name == "a":
            raise ValueError("it is damaged.")
        return run.name

    assert speaking.each(tmp_path, call) == 1
    assert capsys.readouterr() == ("b\n", "error: it is damaged.\n")
    assert speaking.each(tmp_path / "b", lambda run: run.name) == 0
