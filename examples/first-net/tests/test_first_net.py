import pytest


@pytest.mark.zoo("first-net")
def test_it_keeps_what_plugins_promise(zoo_check):
    zoo_check()
