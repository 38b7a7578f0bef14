"""Tasks of Celery that send: from a worker in a thread of the test, and from one in a process of its own.

The mail comes later, from somewhere else. The test waits for *that* mail; there is nothing to count and no sleep.
"""

import os
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from mailtrap import MailServer

app = Celery("digest", broker=os.environ.get("BROKER", "memory://"))
if folder := os.environ.get("BROKER_FOLDER"):  # where producer and worker of the second test meet
    app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder, "polling_interval": 0.05}


@app.task(name="digest.send")
def send_digest(address: str) -> None:
    """What the application does."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "digest@example.com", address, "Nightly digest"
    mail.set_content("Nothing happened.\n")
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])) as smtp:
        smtp.send_message(mail)


@pytest.mark.usefixtures("mailtrap_env")
def test_a_worker_in_a_thread(mailserver: MailServer) -> None:
    with (
        start_worker(app, perform_ping_check=False),  # pyright: ignore[reportGeneralTypeIssues]
        mailserver.expect_message(to="ops@example.com", subject="Nightly digest", timeout=20) as info,
    ):
        app.send_task("digest.send", args=["ops@example.com"])
    assert "Nothing happened" in info.value.plain


@pytest.fixture
def worker(mailtrap_env: dict[str, str], tmp_path: Path) -> Iterator[Celery]:
    """A worker in a process of its own. It sends here because its environment says so."""
    environment = {**os.environ, **mailtrap_env, "BROKER": "filesystem://", "BROKER_FOLDER": str(tmp_path)}
    here = Path(__file__)
    command = [sys.executable, "-m", "celery", "--app", here.stem, "worker", "--pool", "solo", "--loglevel", "ERROR"]
    producer = Celery("producer", broker="filesystem://")
    producer.conf.broker_transport_options = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    with subprocess.Popen(command, cwd=here.parent, env=environment) as process:
        yield producer
        process.terminate()


def test_a_worker_in_a_process(worker: Celery, mailserver: MailServer) -> None:
    worker.send_task("digest.send", args=["boss@example.com"])

    message = mailserver.message(to="boss@example.com", subject="Nightly digest", timeout=30)
    assert message.mail_from == "digest@example.com"
