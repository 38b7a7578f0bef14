"""SMTP, submission and LMTP as one state machine, and aiosmtpd at its edge.

``session`` reads lines and dispatches; a command is a function in ``greet``, ``auth``, ``mail``, ``data`` or
``various``; ``extensions`` is the table of what EHLO offers. ``policy`` is how somebody else has a say, and ``edge``,
the one module that knows aiosmtpd and asyncio, uses it.
"""
