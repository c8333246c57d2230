"""The subcommands of `timeback`, one module each; see timeback_analytics.cli."""
