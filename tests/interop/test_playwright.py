"""A test in a browser, by Playwright's synchronous interface: an event loop is set as running there all the time."""

import asyncio
import smtplib
import threading
from email.message import EmailMessage

import pytest

from mailtrap import MailServer
from pytest_mailtrap import expect


def test_a_wait_in_the_middle_of_a_browser_test(library, client):
    sync_api = library("playwright.sync_api")
    chromium = client("chromium")

    def send(server):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "app@example.com", "bob@example.com", "Your code"
        mail.set_content("Your code is 482913.")
        with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
            smtp.send_message(mail)

    with (
        MailServer() as server,
        sync_api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page()
        page.set_content("<button>Send</button><label>Code <input></label>")
        clicked = threading.Event()
        page.expose_function("send", clicked.set)
        page.evaluate("document.querySelector('button').onclick = () => window.send()")
        assert asyncio._get_running_loop() is not None  # what must not be taken for a loop below us
        thread = threading.Thread(target=lambda: (clicked.wait(30), send(server)))
        thread.start()
        with server.expect_message(to="bob@example.com", timeout=30) as info:
            page.get_by_role("button", name="Send").click()
        thread.join()
        page.get_by_label("Code").fill(info.value.code())
        assert page.get_by_label("Code").input_value() == "482913"
        expect(server).to_have_count(1)
        server.assert_no_message(subject="Another")
        with pytest.raises(AssertionError, match=r"within 0\.01 s"):
            server.message(subject="Another", timeout=0.01)
        page.goto(server.http.url)
        page.get_by_text("Your code").first.click()
        page.wait_for_url("**/view/*")
