"""The audit: every case in which the official client's behaviour is known has a test, which names its source."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Case: what happens and what the official client does; where it is tested, as file::test without their prefix.
CASES: dict[int, tuple[str, str]] = {
    1: ("first connect and join", "live_view::first_join_has_the_keys_and_order_of_the_browser"),
    2: ("connection params in the socket's URL", "live_view::socket_url_carries_what_the_join_was_built_with"),
    3: ("no session: 101, then stale, then a page load", "live_socket::stale_and_unauthorized_load_the_page_at_once"),
    4: ("bad Origin: 403, retried by the table", "socket::refused_handshake_is_retried_for_ever"),
    5: ("tracked statics are absolute, or the key is absent", "live_view::tracked_assets_are_absolute_or_absent"),
    6: ("who sends url, redirect, static", "view::child_joins_after_its_parent_with_its_own_tokens"),
    7: ("children after the root's reply, then the patch", "view::child_joins_after_its_parent_with_its_own_tokens"),
    8: ("sticky child is a root", "view::sticky_view_is_a_root_of_its_own"),
    9: ("heartbeat after 30 s", "socket::heartbeat_follows_thirty_quiet_seconds"),
    10: ("heartbeat unanswered", "socket::unanswered_heartbeat_ends_the_connection_and_reconnects_at_once"),
    11: ("1012: rejoin with the same tokens", "live_socket::rejoin_after_1012_keeps_tokens_and_counts_mounts"),
    12: ("refused dials by the table", "socket::refused_dials_are_repeated_by_the_table"),
    13: ("an open starts the table anew", "socket::open_connection_starts_the_table_anew"),
    14: ("1000: reload with jitter", "live_socket::close_code_1000_loads_the_page_after_five_to_ten_seconds"),
    15: (
        "eleventh reload waits 30 s",
        "live_socket::eleventh_reload_in_a_row_waits_thirty_seconds_and_a_join_forgets_them",
    ),
    16: (
        "a join forgets the reloads",
        "live_socket::eleventh_reload_in_a_row_waits_thirty_seconds_and_a_join_forgets_them",
    ),
    17: ("1001, 1006, 1011 as 1012", "socket::lost_connection_is_dialled_again_after_ten_milliseconds"),
    18: ("refused reconnect turns to long polling", "long_poll::refused_reconnect_turns_to_long_polling_at_once"),
    19: ("410 with a token: 3410, rejoin", "long_poll::gone_session_ends_the_connection"),
    20: ("no fallback, no long polling", "long_poll::page_without_fallback_never_polls"),
    21: ("phx_error: rejoin table", "socket::crashed_channel_rejoins_later_and_later"),
    22: ("phx_close: no rejoin", "socket::closed_channel_is_not_joined_again"),
    23: ("stale and null join_refs", "socket::frames_of_an_earlier_join_are_dropped"),
    24: ("join unanswered: leave", "socket::join_without_a_reply_is_left_after_ten_seconds"),
    25: ("join crashed on main", "live_socket::crashed_join_closes_the_socket_and_loads_the_page_later"),
    26: ("join crashed on a child, three times", "view::child_gives_up_after_three_joins"),
    27: ("unauthorized, stale: page load now", "live_socket::stale_and_unauthorized_load_the_page_at_once"),
    28: ("reload leaves its status", "live_socket::failed_mount_leaves_its_status_for_the_next_load"),
    29: ("redirect with flash", "live_socket::redirect_in_a_join_takes_its_flash_along"),
    30: ("live_redirect in a join", "live_socket::live_redirect_in_a_join_joins_again_on_the_same_topic"),
    31: ("live_patch in a join", "live_socket::live_patch_in_a_join_changes_the_address"),
    32: ("a diff changes its slot", "rendered::a_diff_changes_only_its_slot"),
    33: ("r at the top and inside", "rendered::r_at_the_top_is_a_reply_and_inside_it_is_a_root"),
    34: ("templates of one message", "rendered::templates_of_another_message_do_not_leak"),
    35: ("keyed rows", "rendered::keyed_rows_move_change_appear_and_go"),
    36: ("d replaces whole rows", "rendered::rows_up_to_1_0_are_replaced_whole_and_use_their_own_templates"),
    37: ("shared statics", "rendered::sharers_of_a_component_s_statics_do_not_follow_its_later_changes"),
    38: ("component-only diffs", "page::a_component_s_diff_leaves_other_forms_alone"),
    39: ("streams", "rendered::a_stream_row_goes_where_it_is_put"),
    40: ("streams at a rejoin", "rendered::a_rejoin_shows_only_the_rows_it_brings"),
    41: ("components pruned", "view::component_that_came_back_meanwhile_is_kept"),
    42: ("click payloads", "forms::a_click_sends_phx_values_and_the_button_s_value"),
    43: ("change encoding", "forms::a_change_sends_the_whole_form_with_unused_keys"),
    44: ("submitter", "forms::a_submit_sends_the_named_button_in_its_place_and_no_unused_keys"),
    45: ("input with its own phx-change", "forms::an_input_with_its_own_change_sends_only_itself"),
    46: ("push_patch, then 1012", "navigation::servers_patch_is_where_the_rejoin_goes"),
    47: ("patch to another view", "navigation::patch_to_another_view_becomes_a_live_navigation"),
    48: ("recovery before the patch", "view::recovery_comes_after_the_rejoin_and_before_the_page_changes"),
    49: ("what is not recovered", "forms::a_form_that_recovery_does_not_consider_sends_nothing"),
    50: ("phx-auto-recover", "forms::auto_recover_names_the_event"),
    51: ("hidden inputs only", "forms::a_form_of_hidden_inputs_is_recovered_by_its_first"),
    52: ("forms of nested views", "forms::the_forms_of_a_nested_view_are_recovered_by_it"),
    53: ("recovery that crashes", "view::recovery_that_crashes_is_not_tried_again"),
    54: ("several forms", "view::forms_recover_back_to_back_and_the_last_reply_decides"),
    55: ("untouched form", "forms::an_untouched_form_is_recovered_too"),
    56: ("upload at the loss", "uploads::lost_connection_aborts_the_upload"),
    57: ("event in flight at the loss", "live_socket::event_in_flight_at_the_loss_reloads_only_a_page_that_stays_away"),
    58: ("event while disconnected", "live_socket::click_while_disconnected_is_refused_and_not_queued"),
    59: ("disconnect broadcast", "live_socket::disconnect_broadcast_rejoins"),
    60: ("flash of the first join only", "live_socket::rejoin_after_1012_keeps_tokens_and_counts_mounts"),
    61: ("secret changed: login page", "recordings::client_does_what_the_browser_did"),
    62: ("stale for ever", "live_socket::join_that_is_always_stale_is_slowed_down"),
    63: ("live navigation pending at the loss", "navigation::navigation_lost_on_the_way_loads_where_it_led"),
    64: ("live_redirect reply", "navigation::live_navigation_keeps_socket_topic_and_tokens"),
    65: ("cookies of the page at the upgrade", "loading::dial_looks_like_a_browsers"),
    66: (
        "live navigation, then 1012",
        "navigation::view_reached_by_navigation_rejoins_by_redirect_without_its_flash",
    ),
}


@cache
def docstrings(name: str) -> dict[str, str]:
    """Return each test of a file with its docstring."""
    module = ast.parse((HERE / f"test_{name}.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    return {each.name: ast.get_docstring(each) or "" for each in functions}


@pytest.mark.parametrize("case", CASES)
def test_the_case_has_a_test_that_names_its_source(case: int) -> None:
    what, where = CASES[case]
    file, _, test = where.partition("::")
    found = docstrings(file)

    assert f"test_{test}" in found, f"case {case}, {what}: there is no test {where}"
    assert found[f"test_{test}"], f"case {case}, {what}: {where} does not say how it is known"


def test_no_case_is_left_out() -> None:
    assert list(CASES) == list(range(1, 67))
