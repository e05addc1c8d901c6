"""What takes longest starts first, so that nothing waits for it at the end."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The clone, then everything else in the order that was chosen."""
    items.sort(key=lambda item: item.path.name != "test_clone.py")
