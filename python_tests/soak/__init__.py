"""Long proofs that nobody notices a deploy: `make soak`. Short ones are in test_job.py and test_deploy.py."""
