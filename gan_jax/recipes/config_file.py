"""Flags of a training command in a TOML file, a line `flag = value` each."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

from gan_jax import files
from gan_jax.terminal import commandline
from gan_jax.training.config import RunConfig

__all__ = ["read", "write"]
__dir__ = __all__.copy

_NEVER = "dry_run"  # of one command alone


def read(path: str | Path) -> dict[str, Any]:
    """The values of a file, by flag.

    Raises FileNotFoundError where there is none, ValueError for one that is not TOML, or that has tables.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; --config wants a TOML file with lines like lr = 0.0002.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except ValueError as error:
        raise ValueError(f"{path} is no TOML file with lines like lr = 0.0002: {error}.") from None
    tables = [name for name, value in values.items() if isinstance(value, dict)]
    if tables:
        raise ValueError(f"{path} has a table [{tables[0]}]; wanted lines flag = value alone.")
    flags_of_files = sorted({"config", "save_config"} & values.keys())
    if flags_of_files:
        raise ValueError(f"{path} has a line {flags_of_files[0]}; give --{flags_of_files[0]} on the command line.")
    return {name.replace("-", "_"): value for name, value in values.items()}


def write(path: str | Path, config: RunConfig, preset: RunConfig) -> None:
    """Writes what `read` and the flags make of a configuration laid over a preset; the preset is named first."""
    fields = sorted(dataclasses.fields(config), key=lambda field: field.name != "preset")
    lines = []
    for field in fields:
        value, before = getattr(config, field.name), getattr(preset, field.name)
        if field.name == _NEVER or (value is None and before is None):
            continue
        word = "None" if value is None else commandline.as_words(value, type(config), field.name)
        lines.append(f"{field.name} = {_toml(word)}\n")
    files.write(Path(path).expanduser(), "".join(lines))


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which TOML wants escaped
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
