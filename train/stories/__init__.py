"""English and Japanese stories and chats made by the project itself: text that needs no file and no licence."""

from lilm.train.stories.chats import chats
from lilm.train.stories.generate import stories
from lilm.train.stories.report import repeat_report

__all__ = ["chats", "repeat_report", "stories"]
