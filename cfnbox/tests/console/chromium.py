"""The Chromium of this machine, for tests that open pages."""

from __future__ import annotations

import shutil

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Chromium as root has no sandbox, and nothing of it may ask for anything outside this machine.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip
REASON = "no Chromium is installed here (Debian: apt-get install chromium), so no page is opened"
