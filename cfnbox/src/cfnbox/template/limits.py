"""How much text the functions of a template may give. CloudFormation publishes no number.

A few kilobytes of Fn::Sub inside of Fn::Sub stand for gigabytes, so every text is counted before it is made.
"""

from __future__ import annotations

from typing import Any

from cfnbox.core.errors import Invalid
from cfnbox.template.syntax import URL_BYTES

MOST_CHARACTERS = 16_000_000
# What an item of a list takes in memory, besides its text.
_ITEM = 50


class TooMuchText(Invalid):
    """The functions of a template give more text than cfnbox works with."""

    def __init__(self) -> None:
        super().__init__(
            f"Template error: The functions of the template give more than {MOST_CHARACTERS:,} characters of text, "
            "the most that cfnbox works with: let them give less, or split the template into nested stacks."
        )


class TextBudget:
    """The text that functions may still give in one scope."""

    def __init__(self) -> None:
        self._left = MOST_CHARACTERS

    def spend(self, characters: int) -> None:
        """Count characters that are about to be made. Raises TooMuchText."""
        self._left -= characters
        if self._left < 0:
            raise TooMuchText

    def spend_items(self, count: int) -> None:
        """Count the items of a list that is about to be made. Raises TooMuchText."""
        self.spend(count * _ITEM)

    def spend_value(self, value: Any) -> None:
        """Count all of a value. Raises TooMuchText."""
        if isinstance(value, str):
            self.spend(len(value))
        elif isinstance(value, dict):
            self.spend_items(len(value))
            for key, inner in value.items():
                self.spend(len(key))
                self.spend_value(inner)
        elif isinstance(value, list):
            self.spend_items(len(value))
            for inner in value:
                self.spend_value(inner)


class TemplateCharacters:
    """The characters that a template may still hold while a transform makes it."""

    def __init__(self) -> None:
        self._left = URL_BYTES

    def take(self, count: int) -> None:
        """Raise Invalid when no more are left."""
        self._left -= count
        if self._left < 0:
            raise Invalid(f"Template may not exceed {URL_BYTES} bytes in size.")
