"""Channels: how a notification leaves the house. One file a channel, one line in the registry."""
