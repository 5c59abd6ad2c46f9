"""Resource types that their AWS service's own API makes: one module for each service, a row for each type.

These types come before those of ministack's CloudFormation (`composition.py` has the list of providers): a type that
is in a table here is never made by ministack's provisioner, although ministack serves the API behind it. Registered
types and nested stacks come first, simulated types last.

Two engines read the tables:

- `uniform.py`: an API with create, describe, update and delete that have the schema's member names (SageMaker,
  Application Auto Scaling). A row is a `UniformType`.
- `operations.py`: everything else. A row is a `ServiceType` of `parts`, because most services have further API calls
  for some of the properties (PutBucketEncryption, AttachRolePolicy).

How to add a service:

1. Write a module `SERVICE.py` with `TYPES: dict[str, ServiceType]`, and name it in `catalogue.py`. `iam.py` and
   `s3.py` show most of what there is. `service_type.py` explains each field of a row.
2. For each type say how it is named (`GeneratedName`: a template may leave the name out), what the create call takes
   (`create_request`; members that the API does not have are left out by themselves) and answers, how it is
   described, its `tags`, and what it is deleted by. Policies are text to an API and objects in a model: `document`,
   `parsed`.
3. Give each property a part, unless the create call alone can set it (createOnlyProperties). `Setting`: a put, get
   and delete of its own. `Update`: an update operation for some properties, which the description has. `Items`: a
   list with an operation that adds and one that removes. `Hook`: code. `in_create=True` where the create call sets
   it.
4. `refuse_deletion` is for what AWS refuses and the service here does not, in AWS's words (`calls.refused`), with
   the source beside it. Whether that is needed is a question to the service: try the deletion by boto3.
5. Write `cfnbox/tests/providers/services/samples_SERVICE.py` and name it in `test_types.py`: for each type a
   `Sample` that sets every property of the published schema (a test names those that are missing), a changed one, a
   minimal one, and direct looks by boto3.
6. Run `pytest cfnbox/tests/providers/services`. A property that is not read back fails the test: mend the row, or,
   when the service does not keep the property, name it in `not_applied`. The event of a resource and the end of
   `cfnbox deploy` then say so, `--strict` refuses it, and the test makes sure that it is really lost.
7. `make generate` writes the list of these properties into cfnbox/README.md.

Errors: `Calls` raises ResourceFailed with the service's own sentence. A part's call that finds something missing is
InvalidRequest, because NotFound means the resource itself, and a deletion takes it for success.
"""
