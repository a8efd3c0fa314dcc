from __future__ import annotations

from pathlib import Path

import pytest

from tui.cli import parser
from tui.cloud_credentials import CredentialsError, exoscale_key, modelarts_key, modelarts_project
from tui.cloud_settings import ExoscaleSettings, ModelArtsSettings
from tui.console import run
from tui.exits import Exit, Stop
from tui.start import start_from

SECRET = "s3cr3t-that-nobody-sees"
EXOSCALE = {"EXOSCALE_API_KEY": "EXO123", "EXOSCALE_API_SECRET": SECRET}


def file_of(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_is_taken_by_the_vendors_own_names() -> None:
    assert exoscale_key(ExoscaleSettings(("z",)), EXOSCALE).secret.reveal() == SECRET
    environ = {
        "HUAWEICLOUD_SDK_AK": "AK",
        "HUAWEICLOUD_SDK_SK": SECRET,
        "HUAWEICLOUD_SDK_SECURITY_TOKEN": "token",
        "HUAWEICLOUD_SDK_PROJECT_ID": "p1",
    }
    settings = ModelArtsSettings(("r", "s"), projects=(("s", "p2"),))
    key = modelarts_key(settings, environ)
    assert (key.secret.reveal(), key.security_token and key.security_token.reveal()) == (SECRET, "token")
    assert modelarts_project(settings, environ, "r") == "p1"
    assert modelarts_project(settings, environ, "s") == "p2"


def test_a_file_of_its_own_goes_before_the_environment(tmp_path: Path) -> None:
    file = file_of(tmp_path, f'EXOSCALE_API_KEY="EXO9"\nEXOSCALE_API_SECRET="{SECRET}9"\n')
    found = exoscale_key(ExoscaleSettings(("z",), credentials_file=file), EXOSCALE)
    assert (found.key.reveal(), found.secret.reveal()) == ("EXO9", f"{SECRET}9")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f'EXOSCALE_API_KEY="a"\nEXOSCALE_API_SECRET="{SECRET}"', 0o640, "chmod 600"),
        (f"EXOSCALE_API_SECRET={SECRET}", 0o600, "is not TOML"),
        (f'EXOSCALE_API_SECRET="{SECRET}"', 0o600, "must hold EXOSCALE_API_KEY and EXOSCALE_API_SECRET"),
        (f'secret="{SECRET}"', 0o600, "and nothing else"),
        ("EXOSCALE_API_KEY=1", 0o600, "each a text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_a_word_of_it(
    tmp_path: Path, text: str, mode: int, said: str
) -> None:
    file = file_of(tmp_path, text, mode)
    with pytest.raises(CredentialsError) as caught:
        exoscale_key(ExoscaleSettings(("z",), credentials_file=file), {})
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_console_says_what_is_missing_before_it_takes_the_terminal(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[modelarts]\nregions = ["r"]\n')
    environ = {"HOME": str(tmp_path), "HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": SECRET}
    start = start_from(parser().parse_args(["--config", str(config)]), environ)
    with pytest.raises(Stop) as caught:
        run(start)
    assert (caught.value.code, "no project for r" in str(caught.value.message)) == (Exit.USAGE, True)


def test_none_at_all_names_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"EXOSCALE_API_KEY and EXOSCALE_API_SECRET"):
        exoscale_key(ExoscaleSettings(("z",)), {"EXOSCALE_API_KEY": "only half"})
    with pytest.raises(CredentialsError, match="HUAWEICLOUD_SDK_AK"):
        modelarts_key(ModelArtsSettings(("r",)), {})
    with pytest.raises(CredentialsError, match="no project for r"):
        modelarts_project(ModelArtsSettings(("r",)), {}, "r")
    with pytest.raises(CredentialsError, match="cannot be read"):
        exoscale_key(ExoscaleSettings(("z",), credentials_file=tmp_path / "none"), EXOSCALE)
