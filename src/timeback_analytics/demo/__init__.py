"""The demo: an education platform's operational data, from real public files and hand-made edge cases.

demo/README.md in the project says what the files are, and what each table has from which.
"""

from timeback_analytics.demo.build import Demo, build_demo, holds_demo_alone

__all__ = ["Demo", "build_demo", "holds_demo_alone"]
