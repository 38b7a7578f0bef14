"""What one run of pytest does with the mail of its tests: what it shows and what it keeps, where."""

from pathlib import Path
from typing import Any, Final

import pytest

from .options import chosen


class Run:
    """The choices of one run, from command line and ini file.

    Raises:
        pytest.UsageError: an ini value that is none of the choices.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._artifacts = chosen(config, "artifacts")
        self._report = chosen(config, "report")
        output: str | None = config.getoption("mailtrap_output")
        self.output: Path
        if output is not None:  # as other paths of the command line
            self.output = config.invocation_params.dir / output
        else:
            self.output = config.rootpath / (config.getini("mailtrap_output") or "test-results")

    @property
    def _worker(self) -> dict[str, Any] | None:
        """What pytest-xdist tells its workers; None in a run without, and in its controller."""
        found: dict[str, Any] | None = getattr(self._config, "workerinput", None)
        return found

    @property
    def silent(self) -> bool:
        """Whether reports get no section at all."""
        return self._report == "never"

    def shows(self, report: pytest.TestReport) -> bool:
        """Whether a report gets a section on the test's mail."""
        if self._report == "always":
            return report.failed or report.when == "call"
        return report.failed and self._report == "failed"

    def folder(self, report: pytest.TestReport) -> Path | None:
        """Where the test's mail is to be written now; None when it is not."""
        if self._artifacts == "off" or not (report.failed or (self._artifacts == "on" and report.when == "teardown")):
            return None
        from .artifacts import folder_name

        worker = self._worker
        several = worker is not None and worker.get("mailtrap_each", False)
        return self.output / folder_name(report.nodeid, str(worker["workerid"]) if worker and several else "")

    def counts(self, report: pytest.TestReport) -> bool:
        """Whether somebody wants to know how much mail there was, of passed tests too."""
        return report.when == "call" and bool(self._config.getoption("xmlpath", None))

    def clean(self) -> None:
        """Remove the artifacts of earlier runs, unless none are kept now."""
        config = self._config
        if self._artifacts == "off" or self._worker is not None or config.option.collectonly:
            return
        if self.output.is_dir():
            from .artifacts import clean

            clean(self.output)


RUN: Final = pytest.StashKey[Run]()
