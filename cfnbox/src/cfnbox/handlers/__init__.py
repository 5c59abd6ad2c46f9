"""Registry handlers in Lambda's runtime: processes, invocations, events and logs."""
