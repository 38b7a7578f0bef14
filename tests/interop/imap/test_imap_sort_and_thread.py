"""SORT and THREAD of the same mails, here and in Dovecot: the answers are the same, octet for octet."""

import random

import pytest

from .conftest import Server

SUBJECTS = (
    "Lunch", "Re: Lunch", "Fwd: lunch", "[team] Lunch", "Re: [team] Re: Lunch (fwd)", "Dinner", "[Fwd: Dinner]",
    "dinner ", "Re[2]: Dinner", "", "Re:", "=?utf-8?q?=C3=84pfel?=", "=?utf-8?q?=C3=A4pfel?= (fwd)", "zoo_1", "zooA",
    "a b", "[x] [y]",
)  # fmt: skip
PEOPLE = (
    "Zoe <ann@x.test>", "ann@y.test", '"Ann, B" <zoe@x.test>', "=?utf-8?q?=C3=89va?= <eva@x.test>",
    "bob@x.test, ann@x.test", "team: kim@x.test, ann@x.test;", "",
)  # fmt: skip
DATES = (
    "Mon, {day} Feb 2026 {hour:02d}:00:00 +0000", "{day} Feb 2026 {hour:02d}:30:00 +0200",
    "Tue, {day} Feb 2026 {hour:02d}:15:00 -0500",
)  # fmt: skip

CRITERIA = (
    "SUBJECT", "REVERSE SUBJECT", "DATE", "REVERSE DATE", "ARRIVAL", "FROM", "TO", "CC", "SIZE", "FROM REVERSE DATE",
    "SUBJECT REVERSE ARRIVAL", "DISPLAYFROM", "DISPLAYTO", "REVERSE TO SUBJECT DATE",
)  # fmt: skip


def mails(seed, count=60):
    """Mails of a few conversations: some messages are missing, some answers come first, some name few ancestors."""
    chosen = random.Random(seed)
    above = {}  # all ancestors of each message, the oldest first
    for number in range(count):
        parent = chosen.randrange(number) if number and chosen.random() < 0.75 else None
        above[number] = [] if parent is None else [*above[parent], parent]
    found = []
    for number in chosen.sample(range(count), count * 3 // 4):
        day, hour = chosen.randrange(1, 29), chosen.randrange(24)
        lines = [
            ("Message-ID", f"<{number}@x.test>"), ("Date", chosen.choice(DATES).format(day=day, hour=hour)),
            ("From", chosen.choice(PEOPLE)), ("To", chosen.choice(PEOPLE)), ("Cc", chosen.choice(PEOPLE)),
            ("Subject", chosen.choice(SUBJECTS)),
        ]  # fmt: skip
        ancestors = [f"<{other}@x.test>" for other in above[number]]
        if ancestors and chosen.random() < 0.8:
            lines.append(("References", " ".join(ancestors[chosen.randrange(2) * (len(ancestors) // 2) :])))
        elif ancestors:
            lines.append(("In-Reply-To", ancestors[-1]))
        header = "".join(f"{name}: {value}\r\n" for name, value in lines if value)
        found.append(f"{header}\r\n{'x' * chosen.randrange(200)}\r\n")
    return found


class Both:
    """The same mails in a server of ours and in Dovecot."""

    def __init__(self, *servers):
        self.watchers = [server.watcher() for server in servers]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for watcher in self.watchers:
            watcher.logout()

    def fill(self, box, mails):
        """Put mails into a mailbox, each with its own date, and select it."""
        words = [
            b' " %d-Mar-2026 0%d:00:00 +0000" {%d+}\r\n%b' % (number % 9 + 1, number % 7, len(mail), mail.encode())
            for number, mail in enumerate(mails)
        ]
        for watcher in self.watchers:
            watcher.make(box)
            tag = watcher._new_tag()
            watcher.send(b"%b APPEND %b%b\r\n" % (tag, box.encode(), b"".join(words)))
            watcher.ok(watcher._command_complete("APPEND", tag))
            watcher.ok(watcher.select(box))

    def ask(self, command, *words):
        """Both answers."""
        answers = []
        for watcher in self.watchers:
            watcher.ok(watcher._simple_command(command, *words))
            answers.append(watcher.response(command)[1])
        return answers


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_both_answer_the_same(address, servers, dovecot, store):
    served = servers(store)
    ours, reference = Server(store, served.imap, served.lmtp, address), Server("dovecot", *dovecot, address)
    with Both(ours, reference) as both:
        for seed in range(3):
            both.fill(f"Box{seed}", mails(seed))
            for criteria in CRITERIA:
                mine, dovecots = both.ask("SORT", f"({criteria})", "UTF-8", "ALL")
                assert mine == dovecots, criteria
            for algorithm in ("ORDEREDSUBJECT", "REFERENCES", "REFS"):
                mine, dovecots = both.ask("THREAD", algorithm, "UTF-8", "ALL")
                assert mine == dovecots, algorithm
