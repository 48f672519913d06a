"""X9 TR-34 key tokens: a strict DER codec, four layouts, build and verify."""
