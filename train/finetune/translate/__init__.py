"""Chats translated anew, by a GGUF model or a server that speaks OpenAI's API."""
