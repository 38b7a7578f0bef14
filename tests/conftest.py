"""What all tests share."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# Machines of CI are slow and shared: an example's time says nothing about the code.
settings.register_profile("mailtrap", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mailtrap")
