"""The dashboard: one file a page, see `site` for how a page comes about."""
