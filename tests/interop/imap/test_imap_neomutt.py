"""NeoMutt, with keys pressed for it: filing, flags, its cache after others' changes, many messages."""

import os
import pty
import subprocess

import pytest

from .conftest import MANY


@pytest.fixture
def neomutt(server, client, tmp_path):
    """Runs NeoMutt on a mailbox; ``keys`` are pressed, commands stand in ``<>``; what it wrote on the screen."""
    path, cache = client("neomutt"), tmp_path / "cache"
    cache.mkdir()
    url = f"imap://127.0.0.1:{server.imap}"

    def neomutt(keys, box="INBOX", *settings):
        rc = tmp_path / "neomuttrc"
        lines = [
            f'set imap_user="{server.user}" imap_pass="{server.password}"', f'set folder="{url}" spoolfile="{url}"',
            "set ssl_starttls=no ssl_force_tls=no imap_authenticators=login",
            f'set header_cache="{cache}" message_cachedir="{cache}"',
            "set sleep_time=0 confirmappend=no confirmcreate=no quit=yes delete=yes mark_old=no wait_key=no",
            "set imap_condstore=yes imap_qresync=yes wrap_search=yes auto_tag=yes move=no",
            *settings,
            f"push '{keys}<sync-mailbox><quit>'",
        ]  # fmt: skip
        rc.write_text("".join(f"{line}\n" for line in lines))
        near, far = pty.openpty()
        try:
            process = subprocess.Popen(
                [path, "-n", "-F", rc, "-f", f"{url}/{box}"], stdin=far, stdout=far, stderr=far,
                env={**os.environ, "TERM": "xterm", "HOME": str(tmp_path), "LINES": "50", "COLUMNS": "120"},
            )  # fmt: skip
            os.close(far)
            said = b""
            try:
                while chunk := os.read(near, 65536):
                    said += chunk
            except OSError:  # how a terminal ends on Linux
                pass
            assert process.wait(20) == 0, said
        finally:
            os.close(near)
        return said.decode("utf-8", "replace")

    return neomutt


def test_files_and_flags(server, neomutt, watcher, letter):
    watcher.make("Archive")
    server.deliver(letter("one"), letter("two"), letter("three"), letter("four", body="a needle"))
    neomutt(
        "<tag-pattern>~s one<enter><tag-prefix><flag-message>"
        "<tag-pattern>~s two<enter><tag-prefix><save-message>=Archive<enter>"
        "<delete-pattern>~s three<enter>"
        "<limit>=b needle<enter><copy-message>=Archive<enter><limit>all<enter>"
    )
    assert watcher.subjects("Archive") == {"one", "two", "four"}
    assert r"\Flagged" in watcher.found("Archive")["one"]
    assert watcher.subjects("INBOX") == {"four"}


def test_knows_what_others_did(server, neomutt, watcher, letter):
    """It keeps what it knows in a file, and asks by QRESYNC what is new."""
    server.deliver(*(letter(f"m{number}") for number in range(1, 7)))
    assert "m3" in neomutt("")
    watcher.remove("INBOX", "m2")
    watcher.change("INBOX", "m3", ("STORE", "+FLAGS", r"(\Flagged)"))
    server.deliver(letter("m7"))
    said = neomutt("<limit>~F<enter><tag-prefix><save-message>=Flagged<enter><limit>all<enter>")
    assert "m7" in said
    assert "m2" not in said
    assert watcher.subjects("Flagged") == {"m3"}
    assert watcher.subjects("INBOX") == {"m1", "m4", "m5", "m6", "m7"}


def test_many_messages(neomutt, watcher, many):
    neomutt("<delete-pattern>~F<enter>", many)
    assert len(watcher.found(many)) == MANY - MANY // 10
    neomutt("<tag-pattern>~s 99<enter><tag-prefix><save-message>=Nines<enter>", many)
    assert watcher.subjects("Nines") == {
        str(number) for number in range(1, MANY + 1) if "99" in str(number) and number % 10
    }
