"""The documented datasets computed a second time, in plain Python, from the operational rows.

Written from the documentation and not from the SQL, so that the two can disagree. A reader who has to settle
a disagreement finds each rule once, as a small function with the reason beside it.
"""
