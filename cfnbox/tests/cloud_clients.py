"""The boto3 session of all tests.

Each session of boto3 reads the models of its services again, and moto begins each of its tests with a new default
session. So the clients of tests come from one session.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import boto3
import moto.core  # noqa: F401 - moto answers sessions that were made after its import
from botocore.context import with_current_context
from botocore.useragent import register_feature_id

SESSION: Any = boto3.Session()
# Decorates who asks until a status has come, as botocore's own waiters are: the local cloud lets them wait.
as_a_waiter = with_current_context(partial(register_feature_id, "WAITER"))
