"""A disk that becomes full, on SQLite: senders hear 451, nothing is half stored, and it works again with space.

python benchmarks/full_disk.py        # as root: it mounts a small tmpfs
"""

import gc
import smtplib
import subprocess
import tempfile
from pathlib import Path

from mailtrap import MailServer
from mailtrap.store.sqlite import SQLiteStore

SIZE = 12  # MB
RAW = b"Subject: %d\r\n\r\n" + b"x" * 70 * 1000 + b"\r\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", folder], check=True)
        try:
            run(Path(folder))
        finally:
            gc.collect()  # tracebacks of the server's errors hold connections
            subprocess.run(["umount", folder], check=True)


def run(folder: Path) -> None:
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(SIZE * 1024 * 1024 // 2))
    kept = refused = 0
    with MailServer(store=f"sqlite:///{folder / 'mail.db'}") as server:

        def send() -> int:
            with smtplib.SMTP(server.smtp.host, server.smtp.port) as smtp:
                smtp.ehlo()
                smtp.mail("a@example.com")
                smtp.rcpt("bob@example.com")
                return smtp.data(RAW % (kept + 1))[0]

        while refused < 5:
            code = send()
            assert code in (250, 451), code
            kept += code == 250
            refused += code == 451
        assert len(server.messages) == server.mailbox("bob@example.com").status.messages == kept
        ballast.unlink()
        code = send()
        assert code == 250, code
        kept += 1
    store = SQLiteStore(folder / "mail.db")  # it opens, and is checked
    subjects = [store.raw(row.seq).split(b"\r\n")[0] for row in store.messages()]
    assert subjects == [b"Subject: %d" % number for number in range(1, kept + 1)]
    assert [row.seq for row in store.messages()] == list(range(1, kept + 1))
    store.close()
    print(f"{kept - 1} mails were kept, {refused} answered 451 while the disk was full, and the next 250 with space")


if __name__ == "__main__":
    main()
