from __future__ import annotations

from pathlib import Path

import pytest

from clients.gpu.prometheus import PrometheusPlace
from clients.load.plan import LoadPlan, Ramp
from clients.serving.plans import Money
from tui.cloud_settings import ExoscaleSettings
from tui.settings import ContextMode, Settings, SettingsError, default_path, load, parse

FILE = Path("config.toml")

WHOLE = """\
version = 1
fps = 5
glyphs = "ascii"
confirm_scale_in = "ok"
operation_timeout = "45m"

[contexts."prod-*"]
mode = "protected"

[contexts."*-audit"]
mode = "read-only"

[kthena]
order = "v1.0"

[kthena.orders]
"llm/qwen-*" = "head"

[workloads]
show = "all"

[prices]
"NVIDIA-H100-80GB-HBM3" = "2.50 EUR"
gpua5000 = "1.00 EUR"
"modelarts.demo.gpu.1" = "20.00 CNY"

[gpu]
prometheus = "monitoring/prometheus:9090"
always = true

[load]
ingress = "http://10.0.0.7:8080/"
allow = ["*.staging.example.com", "10.1.*"]
users = 5
duration = "1m"
max_duration = "10m"
max_rate = 50
max_users = 20

[exoscale]
zones = ["at-vie-2", "ch-gva-2"]
endpoint = "https://api-{zone}.exoscale.example/v2"
credentials_file = "/etc/servegrid/exoscale.toml"

[modelarts]
regions = ["ap-southeast-3", "cn-north-4"]
project = "0123456789abcdef"

[modelarts.projects]
"cn-north-4" = "fedcba9876543210"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(text, FILE)
    return str(caught.value).splitlines()


def test_every_section_is_read() -> None:
    settings = parse(WHOLE, FILE)
    assert settings.fps == 5
    assert settings.glyphs == "ascii"
    assert settings.confirm_scale_in == "ok"
    assert settings.operation_timeout == 2700.0
    assert settings.prices == (
        ("NVIDIA-H100-80GB-HBM3", Money("2.50", "EUR")),
        ("gpua5000", Money("1.00", "EUR")),
        ("modelarts.demo.gpu.1", Money("20.00", "CNY")),
    )
    assert settings.show == "all"
    assert settings.gpu.prometheus == PrometheusPlace(namespace="monitoring", service="prometheus:9090")
    assert settings.gpu.always
    assert settings.exoscale == ExoscaleSettings(
        ("at-vie-2", "ch-gva-2"),
        "https://api-{zone}.exoscale.example/v2",
        Path("/etc/servegrid/exoscale.toml"),
    )
    assert settings.modelarts.project_of("ap-southeast-3") == "0123456789abcdef"
    assert settings.modelarts.project_of("cn-north-4") == "fedcba9876543210"
    assert settings.clouds
    assert settings.load.ingress == "http://10.0.0.7:8080"
    assert (settings.load.users, settings.load.duration) == (5, 60.0)
    assert settings.load.max_duration == 600.0
    assert settings.kthena_order("llm", "qwen-chat") == "head"
    assert settings.kthena_order("other", "qwen-chat") == "v1.0"


def test_the_token_of_node_agents_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    text = f'[gpu]\ntoken_file = "{file}"\n'
    assert problems(text) == ["config.toml:2: gpu.token_file: cannot be read, or is empty"]
    file.write_text("s3cret\n")
    settings = parse(text, FILE)
    assert settings.gpu.token() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_prometheus_is_a_url_or_a_service() -> None:
    assert problems('[gpu]\nprometheus = "prometheus"\n') == [
        'config.toml:2: gpu.prometheus: expected a URL or "namespace/service:port"'
    ]


def test_an_empty_file_is_all_defaults() -> None:
    assert parse("", FILE) == Settings()


@pytest.mark.parametrize(
    ("context", "mode"),
    [
        ("prod-eu", ContextMode.PROTECTED),
        ("eu-audit", ContextMode.READ_ONLY),
        ("prod-audit", ContextMode.READ_ONLY),
        ("dev", ContextMode.LIVE),
        (None, ContextMode.LIVE),
    ],
)
def test_the_strictest_rule_that_matches_a_context_holds(context: str | None, mode: ContextMode) -> None:
    assert parse(WHOLE, FILE).mode(context) is mode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\nfpss = 3\n", "config.toml:3: fpss: unknown key; did you mean `fps`?"),
        ('fps = "fast"\n', "config.toml:1: fps: expected `int`, got `str`"),
        ("fps = 0\n", "config.toml:1: fps: expected `int` >= 1"),
        ('# one\nglyphs = "round"\n', 'config.toml:2: glyphs: expected "narrow" or "ascii" or "emoji"'),
        (
            '[contexts.dev]\nmode = "protected"\n\n[contexts."prod-*"] # all of them\nmode = "readonly"\n',
            'config.toml:5: contexts."prod-*".mode: expected "read-only" or "protected"',
        ),
        ('[contexts."a]b"]\n', 'config.toml:1: contexts."a]b": `mode` is missing'),
        (
            'contexts = { dev = { mode = "no" } }',
            'config.toml:1: contexts.dev.mode: expected "read-only" or "protected"',
        ),
        ("kthena = 3\n", "config.toml:1: kthena: expected a table"),
        (
            '[prices]\n"A" = "1 EUR"\n"B" = "cheap"\n',
            'config.toml:3: prices.B: expected "AMOUNT CURRENCY" such as "2.50 EUR", got "cheap"',
        ),
        (
            '[kthena.orders]\n"llm/*" = "v9"\n',
            'config.toml:2: kthena.orders.llm/*: expected one of "v0.1", "v0.2", "v0.3", "v0.4", "v1.0", '
            '"head", "documented", "unknown", got "v9"',
        ),
        (
            'operation_timeout = "soon"\n',
            'config.toml:1: operation_timeout: expected seconds or a text such as "90s", "30m", "2h"',
        ),
        ("[exoscale]\n", "config.toml:1: exoscale: `zones` is missing"),
        ("[exoscale]\nzones = []\n", "config.toml:2: exoscale.zones: expected at least one name"),
        (
            '[exoscale]\nzones = ["At Vie"]\n',
            'config.toml:2: exoscale.zones: expected names such as "at-vie-2", got "At Vie"',
        ),
        ('[exoscale]\nzones = ["a", "a"]\n', "config.toml:2: exoscale.zones: a name is given twice"),
        (
            '[exoscale]\nzones = ["a"]\napi_key = "EXO"\n',
            "config.toml:3: exoscale.api_key: unknown key; known here: zones, endpoint, credentials_file",
        ),
        (
            '[exoscale]\nzones = ["a"]\nendpoint = "http://api.example/v2"\n',
            "config.toml:3: exoscale.endpoint: expected https: only this machine is spoken to without",
        ),
        (
            '[exoscale]\nzones = ["a", "b"]\nendpoint = "https://api.example/v2"\n',
            "config.toml:3: exoscale.endpoint: expected {zone} in it: there are 2 of them",
        ),
        (
            '[modelarts]\nregions = ["r"]\nendpoint = "https://me@api.example"\n',
            "config.toml:3: modelarts.endpoint: expected a URL without user, query and fragment",
        ),
        (
            '[modelarts]\nregions = ["r"]\nproject = "a/b"\n',
            "config.toml:3: modelarts.project: expected the id of a project",
        ),
        (
            '[modelarts]\nregions = ["r"]\n[modelarts.projects]\ns = "1"\n',
            "config.toml:4: modelarts.projects.s: is not among the regions",
        ),
        (
            "version = 2\nunheard-of = 1\n",
            "config.toml:1: version 2 was written for a newer servegrid; this one reads 1",
        ),
    ],
)
def test_a_problem_names_file_line_and_key(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_all_problems_are_told_at_once() -> None:
    assert [line.split(": ")[0] for line in problems('fps = 99\n[kthena]\nordre = "x"\n')] == [
        "config.toml:1",
        "config.toml:3",
    ]


def test_what_is_not_toml_names_its_line() -> None:
    (line,) = problems("fps = 1\nglyphs = narrow\n")
    assert line.startswith("config.toml:2: is not TOML: ")


def test_a_hostile_key_is_told_plainly() -> None:
    (line,) = problems('"\\u001b[2J" = 1\n')
    assert "\x1b" not in line
    assert "␛[2J" in line


@pytest.mark.parametrize("price", ["-1 EUR", "NaN EUR", "1e EUR", "1 eur", "1"])
def test_a_price_is_a_decimal_and_a_currency(price: str) -> None:
    assert len(problems(f'[prices]\nA = "{price}"\n')) == 1


def test_a_missing_file_is_defaults_unless_it_was_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "config.toml"
    assert load(missing, must_exist=False) == Settings()
    with pytest.raises(SettingsError, match=r"config\.toml: there is no such file"):
        load(missing, must_exist=True)


def test_what_is_not_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load(tmp_path / "config.toml", must_exist=False)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path, must_exist=False)


def test_the_default_place_follows_xdg_and_the_demo_has_its_own() -> None:
    assert default_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/servegrid/config.toml")
    assert default_path({"XDG_CONFIG_HOME": "rel", "HOME": "/h"}) == Path("/h/.config/servegrid/config.toml")
    assert default_path({"HOME": "/h"}, demo=True) == Path("/h/.config/servegrid/demo/config.toml")


def test_load_tests_have_targets_that_need_no_question_and_limits() -> None:
    rules = parse(WHOLE, FILE).load
    by_host = LoadPlan(url="http://203.0.113.9", host="chat.staging.example.com:80", concurrency=20)
    assert rules.allows(by_host)
    assert rules.allows(LoadPlan(url="http://10.1.2.3/v1"))
    assert not rules.allows(LoadPlan(url="http://staging.example.com"))
    assert not rules.problems(by_host)
    assert [line.split(":")[0] for line in rules.problems(LoadPlan(url="http://a", concurrency=21))] == [
        "concurrency"
    ]
    ramp = LoadPlan(url="http://a", rate=1, ramp=Ramp(to=51, over_s=5), duration_s=601, max_in_flight=20)
    assert [line.split(":")[0] for line in rules.problems(ramp)] == ["duration_s", "rate"]


@pytest.mark.parametrize(
    "line",
    [
        'ingress = "10.0.0.7:8080"',
        'ingress = "http://10.0.0.7/path"',
        'ingress = "http://me:secret@10.0.0.7"',
        'max_duration = "soon"',
        "max_rate = 0",
        "users = 0",
        'duration = "now"',
        "max_users = -1",
    ],
)
def test_a_wrong_line_about_load_is_named(line: str) -> None:
    (problem,) = problems(f"[load]\n{line}\n")
    assert problem.startswith(f"config.toml:2: load.{line.split(' ')[0]}:")
