"""A Dovecot of one's own with the corpus in its maildir, which lies in memory where there is /dev/shm."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import corpus
from processes import PATH, await_port, ended, free_port, pin


@contextmanager
def dovecot(protocol: str, count: int, core: int) -> Iterator[tuple[int, int]]:
    """Serves ``imap`` or ``pop3`` to anybody with the password ``secret``: port and process id."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory if memory.is_dir() else None) as folder:
        base = Path(folder)
        base.chmod(0o755)
        mail = base / "mail"
        for name in ("cur", "new", "tmp"):
            (mail / name).mkdir(parents=True)
        for number, message in enumerate(corpus.messages(count)):
            (mail / "cur" / f"{1_700_000_000 + number}.M{number}P1.bench,S={len(message)}:2,").write_bytes(message)
        as_root = os.geteuid() == 0
        owner = pwd.getpwnam("nobody") if as_root else pwd.getpwuid(os.geteuid())
        if as_root:  # Dovecot does not read mail as root
            for path in (mail, *mail.iterdir(), *(mail / "cur").iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        port = free_port()
        config = base / "dovecot.conf"
        config.write_text(_configuration(protocol, base, port, owner, as_root))
        process = subprocess.Popen(["dovecot", "-F", "-c", str(config)], env={"PATH": PATH}, stderr=subprocess.DEVNULL)
        with ended(process):
            await_port(port)
            pin(process.pid, core)
            yield port, process.pid


def _configuration(protocol: str, base: Path, port: int, owner: pwd.struct_passwd, as_root: bool) -> str:
    internal = "" if as_root else f"default_internal_user = {owner.pw_name}\ndefault_login_user = {owner.pw_name}\n"
    chroot = "" if as_root else "chroot ="
    return f"""\
protocols = {protocol}
listen = 127.0.0.1
base_dir = {base}/run
log_path = {base}/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{base}/mail
mail_max_userip_connections = 0
first_valid_uid = 1
first_valid_gid = 1
{internal}
service {protocol}-login {{
  {chroot}
  inet_listener {protocol} {{
    port = {port}
  }}
  inet_listener {protocol}s {{
    port = 0
  }}
}}
service anvil {{
  {chroot}
}}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={base}/mail
}}
"""
