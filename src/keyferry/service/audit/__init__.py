"""The audit trail, in CloudTrail's shape."""
