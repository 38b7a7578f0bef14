import pytest

from mailtrap import config
from mailtrap.errors import ConfigError


def test_unknown_setting_names_the_nearest():
    with pytest.raises(ConfigError, match="no setting 'routting'; the nearest is 'routing'"):
        config.check("routting", "open")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("routing", "lax", "one of 'open', 'strict'"),
        ("smtp_port", 70000, "a port"),
        ("smtp_port", -1, "a port"),
        ("smtp_port", True, "a port"),
        ("timeout", "soon", "a number of seconds"),
        ("timeout", -1.0, "not negative"),
        ("max_recipients", 1.5, "an int"),
        ("max_recipients", True, "an int"),
        ("require_auth", "maybe", "True or False"),
        ("local_domains", [1], "a list of str"),
        ("trusted_proxies", ["localhost"], "IP addresses and networks, and this is none: 'localhost'"),
        ("trusted_proxies", ["10.0.0.0/33"], "IP addresses and networks"),
        ("store", 3, "a str"),
    ],
)
def test_a_value_that_does_not_fit(name, value, message):
    with pytest.raises(ConfigError, match=message):
        config.check(name, value)


def test_values_are_coerced_to_their_type():
    assert config.check("timeout", 2) == 2.0
    assert isinstance(config.check("timeout", 2), float)
    assert config.check("local_domains", ["a.test"]) == ("a.test",)
    assert config.check("local_domains", "a.test") == ("a.test",)
    assert config.check("smtp_extensions", {"-SIZE"}) == frozenset({"-SIZE"})
    assert config.check("http_port", None) is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("smtp_port", "2525", 2525),
        ("smtp_port", "", None),
        ("timeout", "0.5", 0.5),
        ("require_auth", "yes", True),
        ("require_auth", "OFF", False),
        ("local_domains", "a.test, b.test", ("a.test", "b.test")),
        ("imap_capabilities", "-IDLE -MOVE", frozenset({"-IDLE", "-MOVE"})),
        ("routing", "strict", "strict"),
    ],
)
def test_settings_as_text(name, text, value):
    assert config.parse(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("smtp_port", "99999"), ("smtp_port", "x"), ("require_auth", "maybe"), ("nonsense", "1"), ("timeout", "nan")],
)
def test_text_that_does_not_fit(name, text):
    with pytest.raises(ConfigError):
        config.parse(name, text)


def test_every_setting_has_a_meaning_and_a_default_that_fits():
    for name, entry in {**config.BOOT, **config.LIVE}.items():
        assert entry.metadata["meaning"], name
        assert config.check(name, entry.default) == entry.default
        assert config.check(name, entry.metadata["serve"]) == entry.metadata["serve"]


def test_boot_and_live_do_not_overlap():
    assert not set(config.BOOT) & set(config.LIVE)
    boot, live = config.split({"store": "memory", "routing": "strict"})
    assert boot == {"store": "memory"}
    assert live == {"routing": "strict"}
