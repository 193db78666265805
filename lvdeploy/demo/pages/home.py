"""Links to the pages."""

from __future__ import annotations

from lvdeploy.demo.pages.page import Page


class Home(Page):
    name = "home"
