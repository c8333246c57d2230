"""Long proofs that nobody notices a deploy: `make soak`. Short ones: test_job_locks.py, test_deploy.py."""
