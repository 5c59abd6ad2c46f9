"""boto3 sessions that ignore the user's AWS profiles, because a missing profile makes every call fail."""

from __future__ import annotations

import os

import boto3
import botocore.session


def botocore_session() -> botocore.session.Session:
    """Return a botocore session that reads no profile."""
    no_profiles = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return botocore.session.Session(session_vars=no_profiles)


def session(region: str | None = None) -> boto3.Session:
    """Return a boto3 session that reads no profile."""
    return boto3.Session(botocore_session=botocore_session(), region_name=region)
