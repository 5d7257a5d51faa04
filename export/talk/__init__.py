"""How chats go from training to phones and pages: borders of turns, forged marks, and how answers end."""
