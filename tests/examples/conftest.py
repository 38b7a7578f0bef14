"""Examples are run in folders of their own, by ``test_examples.py``."""

collect_ignore = ["tutorial"]
