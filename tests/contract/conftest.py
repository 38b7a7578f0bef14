"""The tests of the contract are in the package: their asserts shall explain themselves too."""

import pytest

pytest.register_assert_rewrite("mailtrap.store.contract")
