"""The command line: where settings come from, what it says when they do not fit, the ports file, signals."""

import gc
import json
import signal
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from mailtrap import clock
from mailtrap.cli import main, resolve
from mailtrap.errors import ConfigError, PortInUse


@pytest.fixture
def run():
    def run(*arguments, **kw):
        return CliRunner().invoke(main, arguments, **kw)

    return run


def test_precedence_is_flag_environment_file_default(tmp_path):
    file = tmp_path / "mailtrap.toml"
    file.write_text('routing = "strict"\ntimeout = 3\nhostname = "file.test"\nsmtp_port = ""\n')
    environment = {"MAILTRAP_TIMEOUT": "4", "MAILTRAP_HOSTNAME": "environment.test"}
    found = resolve({"hostname": "flag.test", "accounts": ("a@x:p", "b@x")}, environment, file)
    assert found["hostname"] == ("flag.test", "--hostname")
    assert found["accounts"] == (("a@x:p", "b@x"), "--account")
    assert found["timeout"] == (4.0, "MAILTRAP_TIMEOUT")
    assert found["routing"] == ("strict", str(file))
    assert found["smtp_port"] == (None, str(file))
    assert found["imap_port"] == (1143, "default")


@pytest.mark.parametrize(
    "text", ["routting = 'strict'", "routing = 'lax'", "smtp_port = 99999", "plugins = []", "this is no TOML"]
)
def test_a_file_that_does_not_fit(tmp_path, text):
    file = tmp_path / "mailtrap.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        resolve({}, {}, file)


def test_config_prints_each_setting_and_its_origin(run):
    result = run("config", "--routing", "strict", env={"MAILTRAP_STARTTLS": "offered"})
    assert result.exit_code == 0
    assert "routing = 'strict'  (--routing)" in result.output
    assert "starttls = 'offered'  (MAILTRAP_STARTTLS)" in result.output
    assert "smtp_port = '1025'  (default)" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--routing", "lax"), "routing is one of 'open', 'strict', not 'lax'"),
        (("--smtp-port", "99999"), "smtp_port is a port, 0 to 65535, or empty, not 99999"),
        (("--smtp-port", "x"), "smtp_port is a port"),
        (("--store", "mysql://x"), "mysql"),
        (("--tls-cert", "missing.pem"), "tls_key"),
        (("--host", "192.0.2.1"), "192.0.2.1"),
    ],
)
def test_what_does_not_fit_is_one_line_and_exit_code_2(arguments, said):
    done = subprocess.run(
        [sys.executable, "-m", "mailtrap", "serve", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("mailtrap: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_healthcheck_of_nobody(run, free_port):
    result = run("healthcheck", "--url", f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 1
    assert "not ready" in result.output


def test_healthcheck_of_no_url(run):
    assert run("healthcheck", "--url", "file:///etc/passwd").exit_code == 2


@pytest.fixture
def free_port():
    """A port that nobody listens on: bound here, and not listening."""
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def serving(tmp_path):
    """``mailtrap serve`` on free ports: the process, its ports and what it printed."""
    ports_file = tmp_path / "ports.json"
    names = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http")
    command = [sys.executable, "-m", "mailtrap", "serve", "--ports-file", str(ports_file)]
    for name in names:
        command += [f"--{name}-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("viewer"):
            break
    yield process, json.loads(ports_file.read_text()), printed
    process.kill()
    process.communicate()


def test_serve_prints_a_line_for_each_listener_and_the_viewer(serving):
    _, ports, printed = serving
    assert [line.split()[0] for line in printed] == [*ports, "viewer"]
    for name, entry in ports.items():
        assert any(line.split()[0] == name and line.rstrip().endswith(f":{entry['port']}") for line in printed)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_with_exit_code_0(serving, name):
    process, *_ = serving
    process.send_signal(getattr(signal, name))
    assert process.wait(10) == 0


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-", "1>/dev/full", "2>/dev/full"])
def test_who_cannot_be_told_is_served(closed, tmp_path, run):
    ports_file = tmp_path / "ports.json"
    command = f'exec "$0" -m mailtrap serve --ports-file "$1" --smtp-port 0 --http-port 0 {closed}'
    for name in ("smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps"):
        command += f" --{name}-port ''"
    process = subprocess.Popen(["sh", "-c", command, sys.executable, ports_file], stderr=subprocess.PIPE, text=True)
    try:
        end = clock.monotonic() + 30
        while not ports_file.exists():
            assert clock.monotonic() < end
            assert process.poll() is None, process.stderr.read()
            clock.sleep(0.02)
        ports = json.loads(ports_file.read_text())
        result = run("send", "--port", str(ports["smtp"]["port"]), "bob@example.com")
        assert (result.exit_code, result.output) == (0, "sent\n")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "Traceback" not in log
    finally:
        process.kill()
        process.communicate()


def test_healthcheck_and_send_and_log(serving, run):
    process, ports, _ = serving
    url = f"http://127.0.0.1:{ports['http']['port']}"
    assert run("healthcheck", "--url", url).output == "ready\n"
    result = run("send", "--port", str(ports["smtp"]["port"]), "--subject", "From the shell", "bob@example.com")
    assert (result.exit_code, result.output) == (0, "sent\n")
    result = run("send", "--url", url, "--subject", "Found by itself", "bob@example.com")
    assert (result.exit_code, result.output) == (0, "sent\n")
    with urllib.request.urlopen(f"{url}/api/v1/messages", timeout=10) as answer:
        subjects = [summary["Subject"] for summary in json.load(answer)["messages"]]
    assert subjects == ["Found by itself", "From the shell"]
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=10)
    assert "from <sender@example.com> to bob@example.com" in log


def test_a_server_that_does_not_start_leaves_pythons_collector_as_it_was(run, tmp_path):
    frozen = gc.get_freeze_count()
    assert run("serve", "--store", f"sqlite:///{tmp_path}").exit_code == 2
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_a_busy_port_names_the_listener():
    import socket

    from mailtrap import MailServer

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = MailServer(pop3_port=port)
        with pytest.raises(PortInUse, match=rf"pop3.*{port}"):
            server.start()
        server.stop()
