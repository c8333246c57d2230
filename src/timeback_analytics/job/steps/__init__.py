"""The steps of a job.

Each is a function of what the steps share and of the Step, in which it notes what came of it.
"""
