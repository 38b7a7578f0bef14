"""What a framework's settings must say for it to send here.

Each function takes a running server and gives the settings under the names its framework reads. TLS is asked for only
where the server requires it: frameworks verify certificates, and do not know ours.
"""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigError

if TYPE_CHECKING:
    from .server import MailServer

SMTP_BACKEND: Final = "django.core.mail.backends.smtp.EmailBackend"
MAILERS_SINCE: Final = (6, 1)  # the Django that has the setting MAILERS, and deprecates EMAIL_*


def config_for(framework: str, server: "MailServer") -> dict[str, Any]:
    """The settings of a framework: ``"django" "flask-mail" "fastapi-mail" "env"``.

    Raises:
        ConfigError: another name.
        MailtrapError: the server does not run, or its SMTP listener is off.
    """
    if (maker := _MAKERS.get(framework)) is None:
        raise ConfigError(f"there is no configuration for {framework!r}; there is: {', '.join(_MAKERS)}")
    return maker(server)


def _requires_starttls(server: "MailServer") -> bool:
    return server._scope.live.starttls == "required"


def _django(server: "MailServer") -> dict[str, Any]:
    """``MAILERS``, every alias of the project, where the project uses it, or could; else ``EMAIL_*``.

    Django 6.1 has both, and refuses a project that mixes them.
    """
    tls = _requires_starttls(server)
    aliases = _django_aliases()
    if aliases is not None:
        options = {"host": server.smtp.host, "port": server.smtp.port, "use_tls": tls}
        return {"MAILERS": {alias: {"BACKEND": SMTP_BACKEND, "OPTIONS": dict(options)} for alias in aliases}}
    return {
        "EMAIL_BACKEND": SMTP_BACKEND, "EMAIL_HOST": server.smtp.host, "EMAIL_PORT": server.smtp.port,
        "EMAIL_HOST_USER": "", "EMAIL_HOST_PASSWORD": "", "EMAIL_USE_TLS": tls, "EMAIL_USE_SSL": False,
    }  # fmt: skip


def _django_aliases() -> list[str] | None:
    """The aliases to be set in MAILERS; None where EMAIL_* is what the project reads."""
    if (conf := sys.modules.get("django.conf")) is not None and conf.settings.configured:
        mailers: Mapping[str, Any] | None = getattr(conf.settings, "MAILERS", None)
        return None if mailers is None else ["default", *(alias for alias in mailers if alias != "default")]
    try:
        from django import VERSION  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return None
    return ["default"] if VERSION >= MAILERS_SINCE else None


def _flask_mail(server: "MailServer") -> dict[str, Any]:
    """Flask-Mail, and Flask-Mailman: both would keep mail to themselves while ``TESTING`` is set."""
    return {
        "MAIL_SERVER": server.smtp.host, "MAIL_PORT": server.smtp.port, "MAIL_USERNAME": None, "MAIL_PASSWORD": None,
        "MAIL_USE_TLS": _requires_starttls(server), "MAIL_USE_SSL": False, "MAIL_SUPPRESS_SEND": False,
        "MAIL_BACKEND": "smtp",
    }  # fmt: skip


def _fastapi_mail(server: "MailServer") -> dict[str, Any]:
    """The arguments of ``ConnectionConfig``. MAIL_FROM must be given there, and must not be of a reserved domain."""
    return {
        "MAIL_SERVER": server.smtp.host, "MAIL_PORT": server.smtp.port, "MAIL_USERNAME": "", "MAIL_PASSWORD": "",
        "MAIL_FROM": "sender@example.com", "MAIL_STARTTLS": _requires_starttls(server), "MAIL_SSL_TLS": False,
        "USE_CREDENTIALS": False, "VALIDATE_CERTS": False, "SUPPRESS_SEND": 0,
    }  # fmt: skip


def _env(server: "MailServer") -> dict[str, Any]:
    """Environment variables: ``SMTP_HOST SMTP_PORT``, the same of IMAP and POP3, and ``EMAIL_URL``. All are ``str``."""
    variables: dict[str, Any] = {}
    for name in ("smtp", "imap", "pop3"):
        if (endpoint := server.endpoints.get(name)) is not None and endpoint.host:
            variables[f"{name.upper()}_HOST"] = endpoint.host
            variables[f"{name.upper()}_PORT"] = str(endpoint.port)
    scheme = "smtp+tls" if _requires_starttls(server) else "smtp"
    variables["EMAIL_URL"] = f"{scheme}://{server.smtp.url.partition('://')[2]}"
    return variables


_MAKERS: Final[dict[str, Callable[["MailServer"], dict[str, Any]]]] = {
    "django": _django, "flask-mail": _flask_mail, "fastapi-mail": _fastapi_mail, "env": _env,
}  # fmt: skip
