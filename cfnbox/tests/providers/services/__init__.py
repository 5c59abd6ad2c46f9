"""Types made by their service's own API: every property arrives, or the table says that it does not."""
