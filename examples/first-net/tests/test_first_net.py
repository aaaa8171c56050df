import pytest


@pytest.mark.zoo("first-net")
def test_the_plugin_contract(zoo_check):
    zoo_check()
