"""Results as one self-contained page: no scripts, nothing fetched, every text escaped."""

from lumde.report.page import write_report
from lumde.report.panels import Panel, depth_panel

__all__ = ["Panel", "depth_panel", "write_report"]
