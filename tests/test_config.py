"""The environment: a value that is missing or wrong stops the start with one line that names the variable."""

import os
import re
import stat
from pathlib import Path

import pytest

from consent_service import config
from tests.first_keys import first_keys
from tests.household import DATA_KEY, SECRET
from tests.processes import FORKS, PATIENCE_S, environment, run

COMPLETE = {
    "CONSENT_MODE": "production",
    "CONSENT_PUBLIC_URL": "https://tilaus.keinuma.example",
    "CONSENT_SECRET_KEYS": SECRET,
    "CONSENT_DATA_KEYS": DATA_KEY,
    "CONSENT_LOG_KEY": DATA_KEY,
    "CONSENT_SMTP_URL": "smtp://user:a-mail-password@smtp.keinuma.example:587?starttls=required",
    "CONSENT_MAIL_FROM": "Keinuma <uutiskirje@keinuma.example>",
    "CONSENT_CONTROLLER_FILE": str(config.EXAMPLE_CONTROLLER),
}
WRONG = {
    "CONSENT_MODE": ["staging", "Production"],
    "PORT": ["0", "65536", "http"],
    "CONSENT_PUBLIC_URL": [
        "tilaus.fi", "ftp://tilaus.fi", "https://", "https://tilaus.fi/?a=1", "https://tilaus.fi/#a",
        "https://tilaus.fi:b", "https://tilaus.fi:99999", "https://ti laus.fi", "http://::1:8000", "https://a@tilaus.fi",
        "https://keinuma.fi/tilaus",
    ],
    "CONSENT_ALLOWED_ORIGINS": ["www.keinuma.fi", "http://keinuma.fi", "https://a.fi https://b.fi", "https://a.fi/x", "https://ä.fi"],
    "CONSENT_DATABASE_URL": [
        "nonsense", "mysql://host/name", "postgres://host/name", "sqlite://", "sqlite:///:memory:",
        "sqlite+aiosqlite:///a.db",
    ],
    "CONSENT_SECRET_KEYS": ["too-short-a-secret", f"{SECRET},too-short-a-secret"],
    "CONSENT_DATA_KEYS": ["not-base64!", "c2hvcnQ=", "ä" * 44, f"{DATA_KEY},c2hvcnQ=", DATA_KEY + "AAAA"],
    "CONSENT_LOG_KEY": ["not-base64!", "c2hvcnQ="],
    "CONSENT_SEAL_EVERY_S": ["0", "61"],
    "CONSENT_TSA_URL": ["nonsense", "ftp://tsa.example"],
    "CONSENT_SMTP_URL": [
        "host:25", "http://host", "smtp://", "smtp://u:a-mail-password@host:port",
        "smtp://u:a-mail-password@host?starttls=yes", "smtp://u:a-mail-password@host?startls=required",
        "smtp://u:a-mail-password-%C3%A4@host", "smtp://u:a-mail-password-ä@host",
    ],
    "CONSENT_MAIL_FROM": [
        "Keinuma", "Keinuma <>", "uutiskirje@", "a@keinuma.fi, b@keinuma.fi", "Keinuma <a@keinuma.fi>\nBcc: b@evil.fi",
    ],
    "CONSENT_ACTIVECAMPAIGN_URL": ["http://account.api-us1.com", "account.api-us1.com", "https://"],
    "CONSENT_ACTIVECAMPAIGN_LIST_ID": ["newsletter", "1.5", "0", "-3"],
    "CONSENT_ACTIVECAMPAIGN_TOKEN": ["a-mail-password\u200b", "a b"],
    "CONSENT_METRICS_TOKEN": ["short", "a b" * 20, "ä" * 40],
    "CONSENT_ACTIVECAMPAIGN_WEBHOOK_SECRET": ["short", "a/b" * 20, "ä" * 40, "a b" * 20],
    "CONSENT_REDIS_URL": ["nonsense", "http://redis:6379", "redis://redis:port", "redis+cluster://redis:6379"],
    "CONSENT_TRUSTED_PROXIES": ["-1", "11", "all"],
    "CONSENT_CONTROLLER_FILE": ["nowhere.toml", "."],
    "CONSENT_EVIDENCE_IP": ["some"],
    "CONSENT_LIMIT_IP": ["often", "5", "5/fortnight", "0/hour"],
    "CONSENT_LIMIT_ADDRESS": ["often"],
    "CONSENT_LIMIT_GLOBAL": ["30/hour;often"],
    "CONSENT_FORM_MIN_S": ["-1", "soon", "inf", "nan"],
    "CONSENT_RELAY_POLL_S": ["0", "61", "often"],
    "CONSENT_WEB_PROCESSES": ["0", "many"],
    "CONSENT_WEB_THREADS": ["0", "many"],
}  # fmt: skip
SECRETS = ("too-short-a-secret", SECRET, DATA_KEY, "a-mail-password", "c2hvcnQ=")


@pytest.fixture(autouse=True)
def empty_place(monkeypatch, tmp_path):
    """An empty folder, and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("CONSENT_") or name in ("HOST", "PORT"):
            monkeypatch.delenv(name)


@pytest.fixture
def load(monkeypatch):
    """Load the settings from these variables."""

    def loaded(**given):
        with monkeypatch.context() as these:
            for name, value in given.items():
                these.setenv(name, value)
            return config.load()

    return loaded


@pytest.fixture
def refusal(load):
    """What is said about these variables."""

    def refused(**given):
        with pytest.raises(config.SettingsRefused) as error:
            load(**given)
        return str(error.value)

    return refused


def test_with_nothing_set_a_first_try_works(load, tmp_path):
    settings, controller = load()
    assert settings.is_development
    assert (settings.host, settings.public_url) == ("127.0.0.1", "http://127.0.0.1:8000")
    assert settings.database_url == "sqlite:///var/consent.db"
    assert not settings.activecampaign_url and not settings.smtp_url
    assert controller.name == "Keinuma Oy"
    assert load(PORT="8123")[0].public_url == "http://127.0.0.1:8123"


def test_an_ipv6_address_stands_in_brackets(load):
    settings, _ = load(HOST="::1")
    assert (settings.authority, settings.public_url) == ("[::1]:8000", "http://[::1]:8000")


def test_roots_of_an_authority_that_nobody_can_read_stop_the_start(refusal, tmp_path):
    given = {"CONSENT_TSA_URL": "https://tsa.example.com", "CONSENT_TSA_ROOT_FILE": f"{tmp_path}/nowhere.pem"}
    assert refusal(**given) == f"CONSENT_TSA_ROOT_FILE: cannot read {tmp_path}/nowhere.pem"


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_gives_one_line_that_names_its_variable(refusal, name, value):
    told = refusal(**{name: value})
    assert re.fullmatch(rf"{name}: \S.{{9,}}", told), told
    assert not any(secret in told for secret in SECRETS), "the line may end up in a log"


def test_several_wrong_values_give_a_line_each(refusal):
    told = refusal(CONSENT_MODE="staging", PORT="x", CONSENT_WEB_THREADS="0").splitlines()
    assert sorted(line.partition(":")[0] for line in told) == ["CONSENT_MODE", "CONSENT_WEB_THREADS", "PORT"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_DATABASE_URL", "sqlite:////srv/var/consent.db"),
        ("CONSENT_PUBLIC_URL", "https://tilaus.keinuma.example"),
        ("CONSENT_SMTP_URL", "smtp://user:a-mail-password@smtp.keinuma.example:587?starttls=required"),
        ("CONSENT_SECRET_KEYS", SECRET),
        ("CONSENT_MODE", "development"),
        ("CONSENT_BACKUP_KEY_FILE", "/etc/consent-backup.key"),
        ("HOST", "127.0.0.1"),
    ],
)
def test_blanks_around_a_value_do_not_count_and_quotes_that_belong_to_it_are_told(load, refusal, name, value):
    for blank in (f" {value}", f"{value} ", f"{value}\n", f"{value}\r\n"):
        assert load(**{name: blank}) == load(**{name: value}), "or another database, of a name like it, would be begun"
    for quoted in (f"'{value}'", f'"{value}"', f'"{value}"\r'):
        assert refusal(**{name: quoted}) == f"{name}: the quotes around it belong to the value here; leave them out"


def test_an_empty_variable_counts_as_not_set(load):
    settings, _ = load(**dict.fromkeys(WRONG, ""), HOST="")
    assert settings == load()[0]


@pytest.mark.parametrize(
    "given",
    [
        {"_URL": "https://account.api-us1.com"},
        {"_TOKEN": "a-key"},
        {"_LIST_ID": "1"},
        {"_URL": "https://account.api-us1.com", "_TOKEN": "a-key"},
        {"_TOKEN": "a-key", "_LIST_ID": "1"},
        {"_URL": "https://account.api-us1.com", "_LIST_ID": "1"},
    ],
)
def test_activecampaign_is_set_whole_or_not_at_all(refusal, given):
    told = refusal(**{f"CONSENT_ACTIVECAMPAIGN{name}": value for name, value in given.items()})
    assert "\n" not in told
    assert "CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID" in told


@pytest.mark.parametrize(
    "url", ["https://account.api-us1.com", "https://account.api-us1.com/api/3/", "http://[::1]:81"]
)
def test_activecampaigns_address_may_be_given_with_or_without_its_end(load, url):
    names = {"URL": url, "TOKEN": "a-key", "LIST_ID": "1"}
    settings, _ = load(**{f"CONSENT_ACTIVECAMPAIGN_{name}": value for name, value in names.items()})
    assert settings.activecampaign_url == url.removesuffix("/api/3/")


# Production


def test_production_starts_when_everything_is_given(load):
    settings, _ = load(**COMPLETE)
    assert not settings.is_development
    assert not Path("var").exists(), "it makes no keys of its own"


@pytest.mark.parametrize("name", sorted(COMPLETE.keys() - {"CONSENT_MODE"}))
def test_production_refuses_to_start_half_set(refusal, name):
    for given in (COMPLETE | {name: ""}, {other: value for other, value in COMPLETE.items() if other != name}):
        assert refusal(**given) == f"production needs {name}"


def test_production_with_nothing_names_everything_in_one_line(refusal):
    told = refusal(CONSENT_MODE="production")
    assert "\n" not in told
    assert all(name in told for name in COMPLETE if name != "CONSENT_MODE")


def test_production_wants_https(refusal):
    told = refusal(**COMPLETE | {"CONSENT_PUBLIC_URL": "http://tilaus.keinuma.example"})
    assert told == "CONSENT_PUBLIC_URL must begin with https:// in production"


# Keys


def test_several_keys_may_be_given_newest_first(load):
    settings, _ = load(CONSENT_SECRET_KEYS=f"{'n' * 32}, {SECRET},", CONSENT_DATA_KEYS=f"{DATA_KEY},{DATA_KEY}")
    assert settings.secret_keys == ("n" * 32, SECRET)
    assert [len(key) for key in settings.data_keys] == [32, 32]


def test_development_makes_its_keys_once_even_when_six_processes_start_together(tmp_path):
    found = FORKS.SimpleQueue()
    arguments = (tmp_path, environment(), FORKS.Barrier(6), found)
    started = [FORKS.Process(target=first_keys, args=arguments) for _ in range(6)]
    for process in started:
        process.start()
    for process in started:
        process.join(PATIENCE_S)
    assert [process.exitcode for process in started] == [0] * 6
    assert len({found.get() for _ in started}) == 1
    [file] = (tmp_path / "var").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["", "not toml", 'secret_key = "short"\ndata_key = "short"\n'])
def test_a_broken_file_of_development_keys_is_named(refusal, content):
    Path("var").mkdir()
    Path("var/development-keys.toml").write_text(content)
    told = refusal()
    assert "\n" not in told
    assert "var/development-keys.toml" in told


def test_a_place_where_no_keys_can_be_kept_is_named(refusal):
    Path("var").write_text("a file where the folder should be")
    assert re.fullmatch(r"var/\S+: cannot .*", refusal())


# The controller


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace('name = "Keinuma Oy"\n', ""), "name: Field required"),
        (lambda text: 'nmae = "Keinuma Oy"\n' + text, "nmae: "),
        (lambda text: text.replace('"Keinuma Oy"', "5"), "name: "),
        (lambda text: text.replace("#0f5f5c", "green"), "accent: "),
        (
            lambda text: text.replace("#0f5f5c", "#2a9d8f"),
            r"accent: white words on #2a9d8f have a contrast of 3\.32:1 and need 4\.5:1 .* darker .* #238478",
        ),
        (lambda text: 'logo = "nowhere.svg"\n' + text, r"logo: cannot read nowhere\.svg: No such file"),
        (lambda text: 'logo = "."\n' + text, r"logo: cannot read \.: Is a directory"),
        (lambda text: 'logo = "controller.toml"\n' + text, "logo: it is neither an SVG nor a PNG"),
        (lambda text: "logo = 5\n" + text, "logo: name a file, an SVG or a PNG"),
        (lambda text: text.replace('sv = "Keinumas"\n', ""), "possessive: .*says nothing for sv"),
        (lambda text: text.replace('sv = "Finland"', 'sv = ""'), "country: .*says nothing for sv"),
        (lambda text: text.replace('fi = "Suomi"', 'de = "Finnland"'), "country"),
        (lambda text: text + '[privacy_statement]\nfi = "https://keinuma.example"\n', "privacy_statement: "),
        (lambda text: text.replace("purpose_version = 1", "purpose_version = 0"), "purpose_version: "),
        (lambda text: text.replace("3299471-6", "3299471-5"), "business_id: the last digit of 3299471-5 does not"),
        (lambda text: text.replace("heidi@keinuma.fi", "x"), "contact_email: write one e-mail address"),
        (lambda text: text.replace("heidi@keinuma.fi", "a@keinuma.fi, b@keinuma.fi"), "contact_email: write one"),
        (lambda text: text.replace("2022-08-18", '"some day"'), "statement_first_published: "),
        (lambda text: text.replace("2022-08-18", "2030-01-01"), "statement_changed lies before statement_first_pub"),
        (lambda text: text.replace("12-31", "31.12."), "financial_year_end: .*month and day"),
        (lambda text: text.replace("12-31", "02-29"), "financial_year_end: "),
        (lambda text: text.replace("backups_kept_days = 13", "backups_kept_days = 0"), "backups_kept_days: "),
        (lambda text: text.replace("is_outside_eea = true\n", ""), "recipient 1.is_outside_eea: Field required"),
        (lambda text: text.replace('"statistics"', '"fun"'), "cookie 1.category: .*'necessary', 'statistics'"),
        (lambda text: text.replace('"_ga_*"', '"_ga; x"'), "cookie 1.names 2: String should match"),
        (lambda text: text.replace('sv = "USA"\n', ""), "recipient 1.country: .*says nothing for sv"),
        (lambda text: text.partition("[recipient.transfer")[0] + '[[recipient]]\nrole = "x"\n', "recipient 2.name: "),
        (lambda text: text + "[[[", "not TOML"),
        (lambda text: "", "name: Field required; business_id: Field required"),
    ],
)
def test_a_fault_in_the_controller_file_is_told_in_one_line(refusal, tmp_path, change, told):
    file = tmp_path / "controller.toml"
    file.write_text(change(config.EXAMPLE_CONTROLLER.read_text()))
    line = refusal(CONSENT_CONTROLLER_FILE=str(file))
    assert re.fullmatch(rf"CONSENT_CONTROLLER_FILE: {file}.*{told}.*", line), line


def test_the_logo_is_read_from_beside_the_controller_file(load, tmp_path):
    file = tmp_path / "companies" / "controller.toml"
    (file.parent / "pictures").mkdir(parents=True)
    (file.parent / "pictures" / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"/>')
    file.write_text('logo = "pictures/logo.svg"\n' + config.EXAMPLE_CONTROLLER.read_text())
    _, controller = load(CONSENT_CONTROLLER_FILE=str(file))
    assert controller.logo.size == (160, 40)


def test_a_company_of_another_country_has_a_business_id_of_another_form(load, tmp_path):
    file = tmp_path / "controller.toml"
    file.write_text(config.EXAMPLE_CONTROLLER.read_text().replace("3299471-6", "556677-8899"))
    _, controller = load(CONSENT_CONTROLLER_FILE=str(file))
    assert controller.business_id == "556677-8899"


def test_a_controller_file_that_is_not_text_is_told_too(refusal, tmp_path):
    file = tmp_path / "controller.toml"
    file.write_bytes(b'name = "\xff"')
    assert refusal(CONSENT_CONTROLLER_FILE=str(file)).startswith(f"CONSENT_CONTROLLER_FILE: {file} is not TOML")


# Through the command line


def test_a_command_that_makes_a_new_world_says_so_once_and_where(tmp_path):
    first, second = (run(tmp_path, "migrate") for _ in range(2))
    assert first.stderr == f"New keys for trying out were made in {tmp_path}/var\n"
    assert (first.stdout, second.stdout, second.stderr) == ("The database is up to date.\n",) * 2 + ("",)


@pytest.mark.parametrize("command", ["web", "relay", "migrate", "staff list", "staff disable a@b.fi"])
def test_every_command_says_so_in_one_line_and_exits_with_1(tmp_path, command):
    done = run(tmp_path, *command.split(), given={"CONSENT_REDIS_URL": "nonsense"})
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"CONSENT_REDIS_URL: .+\n", done.stderr), done.stderr
    assert not (tmp_path / "var").exists()


def test_an_unready_production_is_not_started(tmp_path):
    given = {name: value for name, value in COMPLETE.items() if name != "CONSENT_SMTP_URL"}
    done = run(tmp_path, "web", given=given)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "production needs CONSENT_SMTP_URL\n")
