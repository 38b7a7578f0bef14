"""``python -m mailtrap`` is the command ``mailtrap``."""

from .cli import main

main(prog_name="mailtrap")
