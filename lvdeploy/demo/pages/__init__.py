"""The pages: each holds one or two kinds of state, and names what should bring them back."""

from __future__ import annotations

from lvdeploy.demo.pages.bad_dashboard import BadDashboard
from lvdeploy.demo.pages.chat import Chat
from lvdeploy.demo.pages.counters import Counter, SavedCounter, ShutdownCounter
from lvdeploy.demo.pages.crash import Crash
from lvdeploy.demo.pages.dashboard import Dashboard
from lvdeploy.demo.pages.home import Home
from lvdeploy.demo.pages.new_user import NewUser
from lvdeploy.demo.pages.page import Page
from lvdeploy.demo.pages.versioned import Versioned

PAGES: dict[str, type[Page]] = {
    "/": Home,
    "/dashboard": Dashboard,
    "/bad-dashboard": BadDashboard,
    "/users/new": NewUser,
    "/chat/{room}": Chat,
    "/counter": Counter,
    "/counter-saved": SavedCounter,
    "/counter-shutdown": ShutdownCounter,
    "/versioned": Versioned,
    "/crash": Crash,
}
