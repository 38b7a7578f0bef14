"""Signing up: somebody gives an address and gets a link to confirm it."""

import os
import secrets
import smtplib
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

BLOCKED = {"spam.example"}


def sign_up(address: str) -> str:
    """Send the link; the token in it is what is returned."""
    token = secrets.token_urlsafe(8)
    if address.rpartition("@")[2] in BLOCKED:
        return token  # do not tell them
    mail = EmailMessage()
    mail["From"] = "Shop <shop@example.com>"
    mail["To"] = address
    mail["Subject"] = "Confirm your address"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    mail.set_content(f"Please confirm: https://shop.example.com/confirm?token={token}\n")
    mail.add_alternative(f'<a href="https://shop.example.com/confirm?token={token}">Confirm</a>', subtype="html")
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])) as smtp:
        smtp.send_message(mail, from_addr="bounces@example.com")
    return token
