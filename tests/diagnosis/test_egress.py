"""What a node is told to try: the API server, and those places of the provider's list that can be tried as they are."""

from __future__ import annotations

import pytest

from bot.diagnosis.egress import REQUIRED, required, to_try
from tests.diagnosis.facts import CLUSTER


def test_without_a_provider_only_the_api_server_is_tried() -> None:
    assert to_try(CLUSTER) == "api.prod.example:6443"
    assert to_try(CLUSTER.model_copy(update={"provider": "our own"})) == "api.prod.example:6443"


@pytest.mark.parametrize("provider", ["azure", "AKS", " aks "])
def test_a_provider_is_known_by_its_product_too(provider: str) -> None:
    tried = to_try(CLUSTER.model_copy(update={"provider": provider})).split()
    assert tried[0] == "api.prod.example:6443"
    assert {"mcr.microsoft.com:443", "management.azure.com:443"} <= set(tried)


@pytest.mark.parametrize("provider", REQUIRED)
def test_nothing_is_tried_that_stands_for_something_else(provider: str) -> None:
    tried = to_try(CLUSTER.model_copy(update={"provider": provider}))
    assert "*" not in tried
    assert tried == tried.lower()


@pytest.mark.parametrize("provider", REQUIRED)
def test_every_list_has_the_api_server_and_where_images_come_from(provider: str) -> None:
    said = " ".join(one.purpose for one in required(provider))
    assert "the API server" in said
    assert "images" in said
