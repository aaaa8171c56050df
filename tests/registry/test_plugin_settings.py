"""Settings of a plugin: command line before environment before file before default; every mistake is one line."""

import json
import stat

import pytest

import zoo
from zoo import Option, PluginSettings
from zoo.registry.declared import check_declared
from zoo.registry.entry_points import find_entry_points

SETTINGS = PluginSettings(
    name="my-logger",
    options=(
        Option(name="url", default="http://localhost", help="where the server is"),
        Option(name="retries", default=3, minimum=0),
        Option(name="tags", default=("a", "b")),
        Option(name="token", default=""),
    ),
    secrets=("token",),
)
PLUGIN = """
SETTINGS = zoo.PluginSettings(
    name="{name}",
    options=(zoo.Option(name="url", default="x", help="the server"), zoo.Option(name="token", default="")),
    secrets=("token",),
)
@zoo.hookimpl
def train_ended(run):
    SETTINGS.read()
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The path of the configuration file, which is the one that is read."""
    path = tmp_path / "config.toml"
    path.write_text("")
    monkeypatch.setenv("ZOO_CONFIG", str(path))
    return path


def test_the_first_source_that_has_a_value_counts(config, monkeypatch):
    assert SETTINGS.explain()["retries"] == (3, "default")
    config.write_text("[plugins.my-logger]\nretries = 4\ntags = ['c']\n")
    assert SETTINGS.explain()["retries"] == (4, "file")
    assert SETTINGS.read()["tags"] == ("c",)
    monkeypatch.setenv("ZOO_PLUGIN_MY_LOGGER_RETRIES", "5")
    assert SETTINGS.explain()["retries"] == (5, "environment")
    assert SETTINGS.explain(retries=6)["retries"] == (6, "given")
    assert SETTINGS.read(retries="7", url=None) == {
        "url": "http://localhost",
        "retries": 7,
        "tags": ("c",),
        "token": "",
    }
    monkeypatch.setenv("ZOO_PLUGIN_MY_LOGGER_RETRIES", "")
    assert SETTINGS.read()["retries"] == 4


def test_without_a_file_the_defaults_count(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_config_path", lambda name: tmp_path / name)
    assert zoo.config_path() == tmp_path / "pluggy-zoo" / "config.toml"
    assert SETTINGS.read()["url"] == "http://localhost"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[plugins.my-logger]\nretires = 1", "[plugins.my-logger]: There is no setting of my-logger named 'retires'."),
        ("[plugins.my-logger]\nretires = 1", "Did you mean 'retries'?"),
        ("[plugins.my-logger]\nretries = '1'", "retries must be a whole number (at least 0), not 1."),
        ("[plugins.my-logger]\nretries = -1", "retries must be a whole number (at least 0), not -1."),
        ("[plugins.my-logger]\nurl = 1979-05-27", "url must be text"),
        (
            "[plugins.my-logger]\ntoken = 'abc'",
            "token is a secret. Remove it there and set $ZOO_PLUGIN_MY_LOGGER_TOKEN.",
        ),
        ("[plugins]\nmy-logger = 3", "[plugins.my-logger] must be a table, not 3."),
        ("plugins = 3", "plugins must be a table, not 3."),
        ("[plugin.my-logger]\nurl = 'x'", "'plugin' is unknown; the file has one table for each plugin"),
        ("[plugins.my-logger\n", "is not valid TOML"),
        ("a = '\x00'", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_the_file(config, text, expected):
    config.write_text(text)
    with pytest.raises(zoo.UsageError) as caught:
        SETTINGS.read()
    assert expected in str(caught.value)
    assert str(config) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(config, monkeypatch):
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(zoo.UsageError, match="is not valid TOML"):
        SETTINGS.read()
    config.unlink()
    with pytest.raises(zoo.UsageError, match="There is no file"):
        SETTINGS.read()
    config.mkdir()
    with pytest.raises(zoo.UsageError, match="Cannot read"):
        SETTINGS.read()
    assert stat.S_ISDIR(config.stat().st_mode)


def test_a_wrong_variable_or_argument_is_one_line_and_a_secret_is_not_printed(config, monkeypatch):
    monkeypatch.setenv("ZOO_PLUGIN_MY_LOGGER_RETRIES", "many")
    with pytest.raises(zoo.InvalidValue, match=r"\$ZOO_PLUGIN_MY_LOGGER_RETRIES: retries must be .* not many"):
        SETTINGS.read()
    with pytest.raises(zoo.UnknownName, match="Did you mean 'retries'"):
        SETTINGS.read(retrys=1)
    limited = PluginSettings(name="s", options=(Option(name="key", default="a", choices=("a", "b")),), secrets=("key",))
    monkeypatch.setenv("ZOO_PLUGIN_S_KEY", "hunter2")
    with pytest.raises(zoo.InvalidValue) as caught:
        limited.read()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a b", "options": ()},
        {"name": "a", "options": (Option(name="x", default=1), Option(name="x", default=2))},
        {"name": "a", "options": (Option(name="x", default=1),), "secrets": ("x",)},
        {"name": "a", "options": (), "secrets": ("y",)},
        {"name": "a", "options": [1]},
        {"name": "a"},
        {"name": "a", "options": (), "secret": ()},
    ],
)
def test_a_wrong_declaration_is_one_line(fields):
    with pytest.raises(zoo.PluginError) as caught:
        PluginSettings(**fields)
    assert "PluginSettings" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_lists_settings_with_their_sources_and_no_secret(add_plugin, config, zoo_command, monkeypatch):
    registry = zoo.create_registry([*find_entry_points(), add_plugin("logs", PLUGIN.format(name="logs"))])
    config.write_text("[plugins.logs]\nurl = 'https://here'\n[plugins.gone]\na = 1\n")
    monkeypatch.setenv("ZOO_PLUGIN_LOGS_TOKEN", "hunter2")
    result = zoo_command("plugins", "--settings", registry=registry)
    assert result.code == 0
    assert "https://here" in result.out
    assert "hunter2" not in result.out + result.err
    assert f"the configuration file is {config}" in result.err
    assert "[plugins.gone] belongs to no installed plugin" in result.err
    facts = json.loads(zoo_command("plugins", "--settings", "--json", registry=registry).out)
    assert [(f["name"], f["value"], f["source"]) for f in facts] == [
        ("url", "https://here", "file"),
        ("token", "set", "environment"),
    ]
    config.write_text("[plugins.logs]\nurk = 'https://here'\n")
    assert "Did you mean 'url'?" in zoo_command("plugins", "--settings", registry=registry).error


def test_settings_under_another_name_are_an_error_of_the_plugin(add_plugin):
    registry = zoo.create_registry([add_plugin("logs", PLUGIN.format(name="logger"))])
    check_declared(registry)
    check_declared(registry)
    assert registry.plugins[0].errors == ["its PluginSettings have the name 'logger'; write name='logs'."]


def test_the_file_is_read_only_when_a_setting_is_read(add_plugin, config, zoo_command):
    config.write_text("not toml")
    registry = zoo.create_registry([*find_entry_points(), add_plugin("logs", PLUGIN.format(name="logs"))])
    assert zoo_command("list", registry=registry).code == 0
    assert zoo_command("plugins", registry=registry).code == 0
