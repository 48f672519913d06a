"""What an administrator asks over `X-Amz-Target: KeyferryAdmin.*`; not part of the AWS API."""
