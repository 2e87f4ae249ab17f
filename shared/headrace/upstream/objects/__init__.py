"""Files that several machines share, in a bucket of an object store (S3, GCS, Azure)."""
