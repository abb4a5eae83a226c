"""The task that goes on with a prompt, and its chats and streams."""
