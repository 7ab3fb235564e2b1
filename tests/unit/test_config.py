from __future__ import annotations

from pathlib import Path

import pytest

from syft_job import SyftJobConfig, get_client, load_profile
from syft_job.config import config_path
from syft_job.errors import ConfigError, PathMissing

OMAR = "omar@example.org"


@pytest.mark.conformance(61)
def test_the_home_sign_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "box").mkdir()
    config = SyftJobConfig.from_syftbox_folder("~/box", OMAR)
    assert config.syftbox_folder == tmp_path / "box"
    assert get_client("~/box", OMAR).root == tmp_path / "box"


@pytest.mark.conformance(61)
def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as missing:
        get_client(tmp_path / "nowhere", OMAR)
    assert isinstance(missing.value, PathMissing)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file") as error:
        get_client(tmp_path / "file", OMAR)
    assert isinstance(error.value, ConfigError)


@pytest.mark.conformance(62)
def test_the_address_is_kept_in_its_normal_form(tmp_path: Path):
    assert get_client(tmp_path, OMAR).config.email == OMAR
    config = SyftJobConfig.from_syftbox_folder(tmp_path, "  Omar@Example.ORG ")
    assert config.email == OMAR
    assert config.datasite == tmp_path / OMAR


@pytest.mark.conformance(72)
@pytest.mark.parametrize("email", ["", "omar", "omar@", "a/b@example.org", "../x@example.org", "o\nm@example.org"])
def test_what_is_no_address_is_refused(tmp_path: Path, email: str):
    with pytest.raises(ValueError) as error:
        get_client(tmp_path, email)
    assert isinstance(error.value, ConfigError)
    with pytest.raises(ValueError):
        get_client(tmp_path, OMAR, "not an address")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sandbox": "docker"},
        {"time_limit": 0},
        {"processes": -1},
        {"disk_bytes": 0},
        {"colour": "red"},
        {"folder": "open"},
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, wrong: dict[str, object]):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SyftJobConfig.from_syftbox_folder(tmp_path, OMAR, **wrong)


def test_a_profile_is_read_from_the_file(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text(
        f'[profiles.default]\nemail = "{OMAR}"\nsyftbox_folder = "{tmp_path}"\ntime_limit = 60\n'
        "[profiles.default.limits]\nfiles = 5\n",
        encoding="utf-8",
    )
    profile = load_profile(path=file)
    assert profile is not None
    assert (profile.email, profile.time_limit, profile.limits.files) == (OMAR, 60.0, 5)
    assert load_profile("other", file) is None
    assert load_profile(path=tmp_path / "none.toml") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[profiles.default", "TOML"),
        ("\xff", "TOML"),
        ("profiles = 5\n[profile]\n", None),
        ("[profiles]\ndefault = 5\n", "profiles.default"),
        ('[profiles.default]\nemail = "x"\nsyftbox_folder = "/tmp"\n', "email"),
        ('[profiles.default]\nemail = "omar@example.org"\nsyftbox_folder = "/tmp"\ncolour = 1\n', "colour"),
        ('[profiles.default]\nemail = "omar@example.org"\n', "syftbox_folder"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, told: str | None):
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="latin-1")
    if told is None:
        assert load_profile(path=file) is None
        return
    with pytest.raises(ConfigError, match=told) as error:
        load_profile(path=file)
    assert str(file) in str(error.value)


def test_the_file_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SYFT_JOB_CONFIG", str(tmp_path / "mine.toml"))
    assert config_path() == tmp_path / "mine.toml"
    monkeypatch.delenv("SYFT_JOB_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert config_path() == tmp_path / "xdg" / "syft_job" / "config.toml"


def test_a_config_is_frozen(tmp_path: Path):
    config = SyftJobConfig.from_syftbox_folder(tmp_path, OMAR)
    with pytest.raises(AttributeError):
        config.email = "eve@example.org"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("", {"time_limit": 86400.0, "memory": None}),
        ('time_limit = "1h"\nmemory = "2G"', {"time_limit": 3600, "memory": 2 << 30}),
        ('time_limit = "none"\nprocesses = "none"', {"time_limit": None, "processes": None}),
        ('file_bytes = "1.5G"\ndisk_bytes = "none"\nlog_bytes = "64K"', {"file_bytes": 3 << 29, "log_bytes": 65536}),
        ("time_limit = 0.5", {"time_limit": 0.5}),
    ],
)
def test_amounts_are_numbers_or_texts_with_units(tmp_path: Path, text: str, amounts: dict[str, object]):
    file = tmp_path / "config.toml"
    file.write_text(f'[profiles.default]\nemail = "{OMAR}"\nsyftbox_folder = "{tmp_path}"\n{text}\n')
    profile = load_profile(path=file)
    assert profile is not None
    assert {key: getattr(profile, key) for key in amounts} == amounts
    again = SyftJobConfig.from_syftbox_folder(tmp_path, OMAR, **profile.settings)
    assert again == profile


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_limit": "soon"},
        {"time_limit": "0s"},
        {"time_limit": float("inf")},
        {"time_limit": float("nan")},
        {"memory": "2 apples"},
        {"memory": 1.5},
        {"memory": 2**60},
        {"processes": "512"},
        {"log_bytes": "none"},
        {"log_bytes": None},
        {"time_limit": True},
    ],
)
def test_a_wrong_amount_is_named(tmp_path: Path, wrong: dict[str, object]):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SyftJobConfig.from_syftbox_folder(tmp_path, OMAR, **wrong)
